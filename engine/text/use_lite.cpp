#include "engine/text/use_lite.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <new>
#include <optional>
#include <system_error>
#include <thread>

#include "engine/linalg/matmul.h"
#include "engine/linalg/row_kernels.h"
#include "engine/text/sentencepiece_unigram.h"
#include "storage/base/safetensors.h"

namespace almagest {
namespace {

constexpr size_t kEmbeddingWidth = 256;
constexpr size_t kEmbeddingRows = 8002;
constexpr size_t kHidden = 1536;
constexpr size_t kHeads = 4;
constexpr float kEpsilon = 1e-6f;
// Tokens of one batch: large enough for the full rate of the multiplication, small enough that
// its activations stay in the outer cache.
constexpr size_t kBatchTokens = 512;
constexpr size_t kWidth = UseLite::kDimensions;

using Floats = std::span<const float>;

void AddTo(float* sum, const float* term, size_t n) {
  for (size_t i = 0; i < n; ++i) sum[i] += term[i];
}

// The weights of one network, read by name and shape; the first error is kept.
class WeightReader {
 public:
  explicit WeightReader(const Safetensors& file) : file_(file) {}
  Floats Read(const std::string& name, std::vector<int64_t> shape) {
    auto found = file_.Float32(name, shape);
    if (!found && !error_) error_ = std::move(found).error();
    return found ? *found : Floats();
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const Safetensors& file_;
  std::optional<Error> error_;
};

// Buffers of one thread, sized for a batch.
struct Scratch {
  explicit Scratch(size_t tokens)
      : x(tokens * kWidth),
        normed(tokens * kWidth),
        wide(tokens * kHidden),
        attended(tokens * kWidth),
        weights(UseLite::kTokensMax) {}
  std::vector<float> x;         // The residual stream.
  std::vector<float> normed;    // Layer norm of x.
  std::vector<float> wide;      // q, k and v; then the hidden layer.
  std::vector<float> attended;  // Output of the attention; then any [tokens, 512] term.
  std::vector<float> weights;   // One row of attention weights.
};

struct Layer {
  size_t width_in = 0;
  Floats norm1_scale, norm1_bias, norm2_scale, norm2_bias;
  Matmul qkv, attention_out, hidden, out;
  std::optional<Matmul> residual;  // Where the width changes.
};

struct LayerWeights {
  Floats norm1_scale, norm1_bias, qkv, qkv_bias, attention_out, attention_out_bias;
  Floats norm2_scale, norm2_bias, hidden, hidden_bias, out, out_bias, residual, residual_bias;
};

LayerWeights ReadLayer(WeightReader& reader, const std::string& prefix, int64_t in) {
  constexpr int64_t kOut = kWidth, kWide = kHidden;
  LayerWeights w;
  w.norm1_scale = reader.Read(prefix + "ln1_s", {in});
  w.norm1_bias = reader.Read(prefix + "ln1_b", {in});
  w.qkv = reader.Read(prefix + "qkv", {in, 3 * in});
  w.qkv_bias = reader.Read(prefix + "qkv_b", {3 * in});
  w.attention_out = reader.Read(prefix + "o", {in, kOut});
  w.attention_out_bias = reader.Read(prefix + "o_b", {kOut});
  w.norm2_scale = reader.Read(prefix + "ln2_s", {kOut});
  w.norm2_bias = reader.Read(prefix + "ln2_b", {kOut});
  w.hidden = reader.Read(prefix + "f1", {kOut, kWide});
  w.hidden_bias = reader.Read(prefix + "f1_b", {kWide});
  w.out = reader.Read(prefix + "f2", {kWide, kOut});
  w.out_bias = reader.Read(prefix + "f2_b", {kOut});
  if (in != kOut) {
    w.residual = reader.Read(prefix + "res", {in, kOut});
    w.residual_bias = reader.Read(prefix + "res_b", {kOut});
  }
  return w;
}

Layer MakeLayer(const LayerWeights& w, size_t in) {
  constexpr auto kLayout = WeightLayout::kInputMajor;
  Layer layer{in,
              w.norm1_scale,
              w.norm1_bias,
              w.norm2_scale,
              w.norm2_bias,
              Matmul(w.qkv, w.qkv_bias, in, 3 * in, kLayout),
              Matmul(w.attention_out, w.attention_out_bias, in, kWidth, kLayout),
              Matmul(w.hidden, w.hidden_bias, kWidth, kHidden, kLayout, Activation::kRelu),
              Matmul(w.out, w.out_bias, kHidden, kWidth, kLayout),
              std::nullopt};
  if (!w.residual.empty()) {
    layer.residual.emplace(w.residual, w.residual_bias, in, kWidth, kLayout);
  }
  return layer;
}

// Texts of one token count, run together: rows [first, first + count) of the sorted order.
struct Batch {
  size_t first = 0;
  size_t count = 0;
  size_t tokens = 0;  // Of each text.
};

}  // namespace

struct UseLite::Network {
  Safetensors file;
  SentencePieceUnigram pieces;
  Floats embedding;              // [8002, 256]
  std::vector<float> positions;  // [kTokensMax, 256]
  std::vector<Layer> layers;
  std::optional<Matmul> head;

  void EmbedTokens(std::span<const int32_t> ids, float* x) const;
  void RunLayer(const Layer& layer, size_t texts, size_t tokens, Scratch& s) const;
  void RunBatch(const Batch& batch, std::span<const size_t> order,
                std::span<const std::vector<int32_t>> ids, Scratch& s, float* vectors) const;
};

void UseLite::Network::EmbedTokens(std::span<const int32_t> ids, float* x) const {
  for (size_t t = 0; t < ids.size(); ++t) {
    const float* piece = embedding.data() + static_cast<size_t>(ids[t]) * kEmbeddingWidth;
    const float* position = positions.data() + t * kEmbeddingWidth;
    float* row = x + t * kEmbeddingWidth;
    for (size_t i = 0; i < kEmbeddingWidth; ++i) row[i] = 2 * piece[i] + position[i];
  }
}

void UseLite::Network::RunLayer(const Layer& layer, size_t texts, size_t tokens, Scratch& s) const {
  const size_t rows = texts * tokens;
  const size_t in = layer.width_in;
  for (size_t r = 0; r < rows; ++r) {
    LayerNorm(&s.x[r * in], layer.norm1_scale.data(), layer.norm1_bias.data(), in, kEpsilon,
              &s.normed[r * in]);
  }
  layer.qkv.Run(s.normed.data(), rows, s.wide.data());
  const float scale = 1.0f / std::sqrt(static_cast<float>(in / kHeads));
  for (size_t text = 0; text < texts; ++text) {
    Attention(&s.wide[text * tokens * 3 * in], tokens, in, kHeads, scale, s.weights.data(),
              &s.attended[text * tokens * in]);
  }
  layer.attention_out.Run(s.attended.data(), rows, s.normed.data());
  if (layer.residual) {
    layer.residual->Run(s.x.data(), rows, s.attended.data());
    std::swap(s.x, s.attended);
  }
  AddTo(s.x.data(), s.normed.data(), rows * kWidth);
  for (size_t r = 0; r < rows; ++r) {
    LayerNorm(&s.x[r * kWidth], layer.norm2_scale.data(), layer.norm2_bias.data(), kWidth, kEpsilon,
              &s.normed[r * kWidth]);
  }
  layer.hidden.Run(s.normed.data(), rows, s.wide.data());
  layer.out.Run(s.wide.data(), rows, s.attended.data());
  AddTo(s.x.data(), s.attended.data(), rows * kWidth);
}

void UseLite::Network::RunBatch(const Batch& batch, std::span<const size_t> order,
                                std::span<const std::vector<int32_t>> ids, Scratch& s,
                                float* vectors) const {
  for (size_t i = 0; i < batch.count; ++i) {
    EmbedTokens(ids[order[batch.first + i]], &s.x[i * batch.tokens * kEmbeddingWidth]);
  }
  for (const Layer& layer : layers) RunLayer(layer, batch.count, batch.tokens, s);
  // The head is linear, so the mean over tokens may be taken before it.
  for (size_t i = 0; i < batch.count; ++i) {
    float* mean = &s.normed[i * kWidth];
    std::fill_n(mean, kWidth, 0.0f);
    for (size_t t = 0; t < batch.tokens; ++t) {
      AddTo(mean, &s.x[(i * batch.tokens + t) * kWidth], kWidth);
    }
    for (size_t d = 0; d < kWidth; ++d) mean[d] /= static_cast<float>(batch.tokens);
  }
  head->Run(s.normed.data(), batch.count, s.attended.data());
  for (size_t i = 0; i < batch.count; ++i) {
    float* vector = vectors + order[batch.first + i] * kWidth;
    for (size_t d = 0; d < kWidth; ++d) vector[d] = std::tanh(s.attended[i * kWidth + d]);
    NormalizeInPlace(vector, kWidth);
  }
}

UseLite::UseLite(std::unique_ptr<Network> network) : network_(std::move(network)) {}
UseLite::UseLite(UseLite&&) noexcept = default;
UseLite& UseLite::operator=(UseLite&&) noexcept = default;
UseLite::~UseLite() = default;

Result<UseLite> UseLite::Load(const std::filesystem::path& folder) {
  auto file = Safetensors::Open(folder / kWeightsFile);
  auto vocabulary = ReadFile(folder / kVocabularyFile);
  if ((!file && file.error().code == ErrorCode::kNotFound) ||
      (!vocabulary && vocabulary.error().code == ErrorCode::kNotFound)) {
    return Fail(ErrorCode::kUnavailable,
                "the files of model 'use-lite' are not in the server's model folder; "
                "`./dev setup` puts them there");
  }
  if (!file) return Fail(std::move(file).error());
  if (!vocabulary) return Fail(std::move(vocabulary).error());
  ALMAGEST_TRY(SentencePieceUnigram pieces, SentencePieceUnigram::Parse(*vocabulary));
  if (pieces.vocabulary_size() > kEmbeddingRows) {
    return Fail(ErrorCode::kCorruption, "the vocabulary of model 'use-lite' has " +
                                            std::to_string(pieces.vocabulary_size()) +
                                            " pieces; at most 8002 have an embedding");
  }
  auto network = std::make_unique<Network>(
      Network{std::move(*file), std::move(pieces), {}, {}, {}, std::nullopt});
  WeightReader reader(network->file);
  network->embedding = reader.Read("embedding", {kEmbeddingRows, kEmbeddingWidth});
  const Floats inverse = reader.Read("timing_inverse_scales", {kEmbeddingWidth / 2});
  const LayerWeights first = ReadLayer(reader, "layer0.", kEmbeddingWidth);
  const LayerWeights second = ReadLayer(reader, "layer1.", kWidth);
  const Floats head = reader.Read("head", {kWidth, kWidth});
  const Floats head_bias = reader.Read("head_b", {kWidth});
  if (reader.error()) {
    return Fail(reader.error()->code, "model 'use-lite': " + reader.error()->message);
  }
  network->layers.push_back(MakeLayer(first, kEmbeddingWidth));
  network->layers.push_back(MakeLayer(second, kWidth));
  network->head.emplace(head, head_bias, kWidth, kWidth, WeightLayout::kInputMajor);
  network->positions.resize(kTokensMax * kEmbeddingWidth);
  for (size_t t = 0; t < kTokensMax; ++t) {
    float* row = &network->positions[t * kEmbeddingWidth];
    for (size_t i = 0; i < inverse.size(); ++i) {
      row[i] = std::sin(static_cast<float>(t) * inverse[i]);
      row[inverse.size() + i] = std::cos(static_cast<float>(t) * inverse[i]);
    }
  }
  return UseLite(std::move(network));
}

std::vector<int32_t> UseLite::Tokens(std::string_view text) const {
  std::vector<int32_t> ids = network_->pieces.Encode(text, kTokensMax);
  if (ids.empty()) ids.push_back(SentencePieceUnigram::kUnknownId);
  return ids;
}

namespace {

// Sorts texts by token count and cuts the order into batches of one count. Depends on the texts
// only, so that the number of threads cannot change a result.
std::vector<Batch> MakeBatches(std::span<const std::vector<int32_t>> ids,
                               std::vector<size_t>& order) {
  order.resize(ids.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return ids[a].size() > ids[b].size(); });
  std::vector<Batch> batches;
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t tokens = ids[order[i]].size();
    if (batches.empty() || batches.back().tokens != tokens ||
        (batches.back().count + 1) * tokens > kBatchTokens) {
      batches.push_back({i, 0, tokens});
    }
    ++batches.back().count;
  }
  return batches;
}

}  // namespace

Result<std::vector<float>> UseLite::Encode(std::span<const std::string> texts, int threads) const {
  std::vector<std::vector<int32_t>> ids(texts.size());
  std::vector<float> vectors(texts.size() * kDimensions);
  for (size_t i = 0; i < texts.size(); ++i) ids[i] = Tokens(texts[i]);
  std::vector<size_t> order;
  const std::vector<Batch> batches = MakeBatches(ids, order);
  size_t tokens_max = 0;
  for (const Batch& batch : batches) tokens_max = std::max(tokens_max, batch.count * batch.tokens);

  std::atomic<size_t> next = 0;
  std::atomic<bool> out_of_memory = false;
  const auto work = [&] {
    try {
      Scratch scratch(tokens_max);
      for (size_t i = next++; i < batches.size(); i = next++) {
        network_->RunBatch(batches[i], order, ids, scratch, vectors.data());
      }
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
  };
  {
    std::vector<std::jthread> others;
    const size_t wanted = std::min<size_t>(std::max(threads, 1), batches.size());
    try {
      while (others.size() + 1 < wanted) others.emplace_back(work);
    } catch (const std::system_error&) {
      // The system gives no more threads: those that started, and this one, do the work.
    }
    work();
  }
  if (out_of_memory) {
    return Fail(ErrorCode::kResourceExhausted, "there is no memory to encode the texts now");
  }
  return vectors;
}

}  // namespace almagest
