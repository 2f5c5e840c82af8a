#include "training/bridge_folder.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "storage/base/file.h"

namespace almagest::training {
namespace {

constexpr char kJudgementFile[] = "judgements.safetensors";
constexpr int64_t kRowsMax = INT32_MAX;
constexpr int64_t kSideDimensionMax = 65'536;

tl::unexpected<Error> BadFile(const std::string& file, const std::string& message) {
  return Fail(ErrorCode::kInvalidArgument, file + ": " + message);
}

Result<BridgeSide> ReadSide(const nlohmann::json& json) {
  BridgeSide side;
  side.vector = json.at("vector").get<std::string>();
  side.dimension = json.at("dimension").get<int64_t>();
  const auto distance = json.at("distance").get<std::string>();
  if (distance != "Cosine" && distance != "Dot") {
    return BadFile(kBridgeConfig, "distance is '" + distance + "', it must be Cosine or Dot");
  }
  side.distance = distance == "Dot" ? Distance::kDot : Distance::kCosine;
  if (side.dimension < 1 || side.dimension > kSideDimensionMax) {
    return BadFile(kBridgeConfig, "dimension is " + std::to_string(side.dimension) +
                                      ", it must be from 1 to " +
                                      std::to_string(kSideDimensionMax));
  }
  return side;
}

Result<> ReadConfig(BridgeFolder* folder) {
  ALMAGEST_TRY(const std::string text, ReadFile(folder->path / kBridgeConfig));
  try {
    const auto json = nlohmann::json::parse(text);
    if (json.at("format_version").get<int>() != 1) {
      return BadFile(kBridgeConfig, "format_version must be 1");
    }
    folder->job_id = json.value("job_id", "");
    folder->seed = json.at("seed").get<uint64_t>();
    folder->threads = json.value("threads", int64_t{1});
    ALMAGEST_TRY(folder->device, ParseDevice(json.value("device", "auto")));
    folder->share = json.at("share").get<double>();
    ALMAGEST_TRY(folder->from, ReadSide(json.at("from")));
    ALMAGEST_TRY(folder->to, ReadSide(json.at("to")));
  } catch (const nlohmann::json::exception& error) {
    return BadFile(kBridgeConfig, error.what());
  }
  if (!(folder->share >= 0 && folder->share <= 1)) {
    return BadFile(kBridgeConfig, "share must be from 0 to 1");
  }
  return {};
}

Result<std::span<const float>> ReadRows(const Safetensors& file, const std::string& file_name,
                                        const char* name, int64_t dimension) {
  const TensorView* view = file.Find(name);
  const bool is_matrix =
      view != nullptr && view->type == TensorType::kFloat32 && view->shape.size() == 2;
  if (!is_matrix || view->shape[1] != dimension || view->shape[0] > kRowsMax) {
    return BadFile(file_name, std::string("tensor '") + name + "' must be F32 [rows, " +
                                  std::to_string(dimension) + "]");
  }
  const auto values = view->as_float32();
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return BadFile(file_name, std::string("tensor '") + name + "' row " +
                                    std::to_string(i / static_cast<size_t>(dimension)) +
                                    " holds a value that is not finite");
    }
  }
  return values;
}

Result<Safetensors> ReadVectors(const std::filesystem::path& folder, const std::string& name,
                                BridgeSide* side) {
  const std::string file_name = name + ".safetensors";
  ALMAGEST_TRY(auto file, Safetensors::Open(folder / file_name));
  ALMAGEST_TRY(side->documents, ReadRows(file, file_name, "documents", side->dimension));
  ALMAGEST_TRY(side->queries, ReadRows(file, file_name, "queries", side->dimension));
  const auto version = folder / (name + "_version.safetensors");
  if (std::filesystem::exists(version)) {
    ALMAGEST_TRY(side->version, ReadAdapter(version, side->dimension));
  }
  return file;
}

Result<std::span<const int32_t>> ReadColumn(const Safetensors& file, const char* name, int64_t low,
                                            int64_t limit) {
  const TensorView* view = file.Find(name);
  if (view == nullptr || view->type != TensorType::kInt32 || view->shape.size() != 1) {
    return BadFile(kJudgementFile, std::string("tensor '") + name + "' must be I32 [entries]");
  }
  for (const int32_t value : view->as_int32()) {
    if (value >= low && value < limit) continue;
    return BadFile(kJudgementFile, std::string("tensor '") + name + "' has an entry " +
                                       std::to_string(value) + ", it must be from " +
                                       std::to_string(low) + " to " + std::to_string(limit - 1));
  }
  return view->as_int32();
}

Result<> ReadJudged(BridgeFolder* folder) {
  ALMAGEST_TRY(folder->judgements_file, Safetensors::Open(folder->path / kJudgementFile));
  const Safetensors& file = folder->judgements_file;
  JudgementColumns& columns = folder->judgements;
  ALMAGEST_TRY(columns.query, ReadColumn(file, "query", 0, folder->query_count));
  ALMAGEST_TRY(columns.document, ReadColumn(file, "document", 0, folder->document_count));
  ALMAGEST_TRY(columns.user, ReadColumn(file, "user", -1, kRowsMax));
  ALMAGEST_TRY(const auto has_to, ReadColumn(file, "has_to", 0, 2));
  folder->has_to.assign(has_to.begin(), has_to.end());
  if (static_cast<int64_t>(has_to.size()) != folder->query_count) {
    return BadFile(kJudgementFile, "tensor 'has_to' must have an entry for every query");
  }
  const std::vector<int64_t> shape = {static_cast<int64_t>(columns.query.size())};
  ALMAGEST_TRY(columns.grade, file.Float32("grade", shape));
  ALMAGEST_TRY(columns.weight, file.Float32("weight", shape));
  for (size_t i = 0; i < columns.grade.size(); ++i) {
    if (!std::isfinite(columns.grade[i]) || !(columns.weight[i] > 0)) {
      return BadFile(kJudgementFile, "entry " + std::to_string(i) +
                                         " has a grade that is not finite or a weight not above 0");
    }
  }
  if (columns.document.size() != columns.query.size() ||
      columns.user.size() != columns.query.size()) {
    return BadFile(kJudgementFile, "the tensors differ in length");
  }
  return {};
}

}  // namespace

Result<BridgeFolder> OpenBridgeFolder(const std::filesystem::path& path) {
  BridgeFolder folder;
  folder.path = path;
  ALMAGEST_TRY_VOID(ReadConfig(&folder));
  ALMAGEST_TRY(folder.from_file, ReadVectors(path, "from", &folder.from));
  ALMAGEST_TRY(folder.to_file, ReadVectors(path, "to", &folder.to));
  const auto rows = [](std::span<const float> values, const BridgeSide& side) {
    return static_cast<int64_t>(values.size()) / side.dimension;
  };
  folder.document_count = rows(folder.from.documents, folder.from);
  folder.query_count = rows(folder.from.queries, folder.from);
  if (rows(folder.to.documents, folder.to) != folder.document_count ||
      rows(folder.to.queries, folder.to) != folder.query_count) {
    return BadFile("to.safetensors", "it must have the documents and queries of from.safetensors");
  }
  ALMAGEST_TRY_VOID(ReadJudged(&folder));
  return folder;
}

}  // namespace almagest::training
