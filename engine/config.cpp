#include "engine/config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

namespace almagest {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kSealRowsMax = 10'000'000;
constexpr uint32_t kMergedRowsMax = 100'000'000;
constexpr size_t kMetadataBytesMax = 1u << 20;

template <class T>
Result<> CheckRange(const std::string& field, T value, T lowest, T highest) {
  if (value >= lowest && value <= highest) return {};
  return Fail(ErrorCode::kOutOfRange, field + " is " + std::to_string(value) +
                                          "; it must be between " + std::to_string(lowest) +
                                          " and " + std::to_string(highest));
}

// JSON text must be UTF-8, and so must every name that is stored in it.
bool IsUtf8(const std::string& text) {
  try {
    return !Json(text).dump().empty();
  } catch (const Json::exception&) {
    return false;
  }
}

Result<> CheckFieldName(const std::string& kind, const std::string& name, size_t bytes_max) {
  if (name.size() > bytes_max) {
    return Fail(ErrorCode::kOutOfRange, kind + " has " + std::to_string(name.size()) +
                                            " bytes; the limit is " + std::to_string(bytes_max));
  }
  if (!IsUtf8(name)) return Fail(ErrorCode::kOutOfRange, kind + " is not valid UTF-8");
  return {};
}

Result<> CheckDense(const std::string& name, const DenseVectorConfig& dense) {
  const std::string prefix = "vectors." + name;
  ALMAGEST_TRY_VOID(CheckFieldName("a vector name", name, kNameBytesMax));
  ALMAGEST_TRY_VOID(CheckRange(prefix + ".size", dense.dimension, 1u, kDimensionMax));
  if (dense.hnsw.degree != 0) {
    ALMAGEST_TRY_VOID(CheckRange(prefix + ".hnsw_config.m", dense.hnsw.degree, 4u, 128u));
  }
  ALMAGEST_TRY_VOID(
      CheckRange(prefix + ".hnsw_config.ef_construct", dense.hnsw.build_beam, 4u, 4096u));
  const Quantization& quantization = dense.quantization;
  if (dense.multi && (dense.hnsw.degree != 0 || quantization != Quantization())) {
    return Fail(ErrorCode::kOutOfRange,
                prefix + " is a multi-vector, which has neither a graph nor quantized rows");
  }
  if (quantization.kind > Quantization::Kind::kBinary) {
    return Fail(ErrorCode::kOutOfRange, prefix + ".quantization_config is of an unknown kind");
  }
  if (!(quantization.quantile >= 0.5 && quantization.quantile <= 1.0)) {
    return Fail(ErrorCode::kOutOfRange, prefix + ".quantization_config.scalar.quantile is " +
                                            std::to_string(quantization.quantile) +
                                            " but has to be within 0.5 and 1");
  }
  if (!(quantization.code_share >= 1.0 && quantization.code_share <= 2.0)) {
    return Fail(ErrorCode::kOutOfRange, prefix + ".quantization_config.binary has " +
                                            std::to_string(quantization.code_share) +
                                            " bits per dimension but has to have 1, 1.5 or 2");
  }
  if (dense.distance == Distance::kManhattan && quantization != Quantization()) {
    return Fail(ErrorCode::kOutOfRange, prefix +
                                            ".quantization_config is set but fields of "
                                            "distance Manhattan are not quantized");
  }
  return {};
}

Json ToJson(const DenseVectorConfig& dense) {
  Json json = {{"dimension", dense.dimension},
               {"distance", std::string(DistanceName(dense.distance))},
               {"datatype", std::string(DatatypeName(dense.datatype))},
               {"settings", dense.settings_json},
               {"hnsw",
                {{"degree", dense.hnsw.degree},
                 {"build_beam", dense.hnsw.build_beam},
                 {"build_threads", dense.hnsw.build_threads},
                 {"full_scan_threshold_kb", dense.hnsw.full_scan_threshold_kb}}},
               {"quantization",
                {{"kind", static_cast<uint32_t>(dense.quantization.kind)},
                 {"quantile", dense.quantization.quantile},
                 {"code_share", dense.quantization.code_share},
                 {"placement", static_cast<uint32_t>(dense.quantization.placement)}}}};
  if (dense.multi) json["multi"] = true;
  return json;
}

// All three throw Json::exception on a missing or mistyped key; ConfigFromJson catches.
std::string SettingsFromJson(const Json& json) {
  const std::string settings = json.value("settings", "{}");
  return Json::parse(settings).get<Json::object_t>().empty() ? "{}" : settings;
}

Result<DenseVectorConfig> DenseFromJson(const Json& json) {
  DenseVectorConfig dense;
  dense.dimension = json.at("dimension").get<uint32_t>();
  const auto distance = ParseDistance(json.at("distance").get<std::string>());
  if (!distance) return Fail(ErrorCode::kCorruption, "the stored configuration has no distance");
  dense.distance = *distance;
  const auto datatype = ParseDatatype(json.value("datatype", "float32"));
  if (!datatype) return Fail(ErrorCode::kCorruption, "the stored configuration has no datatype");
  dense.datatype = *datatype;
  const Json& hnsw = json.at("hnsw");
  dense.hnsw.degree = hnsw.at("degree").get<uint32_t>();
  dense.hnsw.build_beam = hnsw.at("build_beam").get<uint32_t>();
  dense.hnsw.full_scan_threshold_kb = hnsw.at("full_scan_threshold_kb").get<uint64_t>();
  // Collections of before there was a choice have none of these.
  dense.hnsw.build_threads = hnsw.value("build_threads", 0u);
  dense.multi = json.value("multi", false);
  if (!json.contains("quantization")) return dense;
  const Json& quantization = json.at("quantization");
  dense.quantization.kind =
      static_cast<Quantization::Kind>(quantization.at("kind").get<uint32_t>());
  dense.quantization.quantile = quantization.at("quantile").get<double>();
  dense.quantization.code_share = quantization.at("code_share").get<double>();
  // Collections of before there were three say whether graphs are pinned.
  const uint32_t pinned = quantization.value("in_memory", false) ? 1 : 0;
  dense.quantization.placement =
      static_cast<GraphPlacement>(quantization.value("placement", pinned));
  dense.settings_json = SettingsFromJson(json);
  return dense;
}

Result<CollectionConfig> Parse(const Json& json) {
  CollectionConfig config;
  for (const auto& [name, dense] : json.at("dense").items()) {
    ALMAGEST_TRY(config.dense[name], DenseFromJson(dense));
  }
  for (const auto& [name, sparse] : json.at("sparse").items()) {
    config.sparse[name].idf = sparse.at("idf").get<bool>();
    config.sparse[name].settings_json = SettingsFromJson(sparse);
  }
  const Json& optimizer = json.at("optimizer");
  config.optimizer.seal_rows = optimizer.at("seal_rows").get<uint32_t>();
  config.optimizer.segments_max = optimizer.at("segments_max").get<uint32_t>();
  config.optimizer.merged_rows_max = optimizer.at("merged_rows_max").get<uint32_t>();
  config.optimizer.deleted_fraction_max = optimizer.at("deleted_fraction_max").get<double>();
  config.optimizer.vacuum_rows_min = optimizer.value("vacuum_rows_min", 0u);
  config.optimizer.idle_seal_rows = optimizer.value("idle_seal_rows", 0u);
  config.optimizer.enabled = optimizer.value("enabled", true);
  config.durability = json.at("durability").get<std::string>() == "process" ? Durability::kProcess
                                                                            : Durability::kSync;
  for (const auto& [key, stored] : json.at("payload_indexes").items()) {
    auto index = ParsePayloadIndexConfig(stored.dump());
    if (!index) {
      return Fail(ErrorCode::kCorruption, "the stored configuration of payload index '" + key +
                                              "' is not valid: " + index.error().message);
    }
    config.payload_indexes[key] = *std::move(index);
  }
  config.metadata_json = json.at("metadata").get<std::string>();
  config.settings_json = SettingsFromJson(json);
  if (json.contains("strict_mode")) {
    ALMAGEST_TRY_VOID(MergeStrictMode(json.at("strict_mode").dump(), &config.strict_mode));
  }
  if (!json.contains("field_ids")) return config;
  std::set<FieldId> seen;
  for (const auto& [name, id] : json.at("field_ids").items()) {
    config.field_ids[name] = id.get<FieldId>();
    seen.insert(config.field_ids[name]);
  }
  bool complete = !seen.empty() && seen.size() == config.dense.size() + config.sparse.size() &&
                  config.field_ids.size() == seen.size() && *seen.rbegin() < kVectorFieldsMax;
  for (const auto& [name, dense] : config.dense) complete &= config.field_ids.contains(name);
  for (const auto& [name, sparse] : config.sparse) complete &= config.field_ids.contains(name);
  if (!complete) {
    return Fail(ErrorCode::kCorruption, "the stored configuration has damaged ids of vectors");
  }
  return config;
}

}  // namespace

Result<> ValidateConfig(const CollectionConfig& config) {
  const size_t fields = config.dense.size() + config.sparse.size();
  ALMAGEST_TRY_VOID(CheckRange("the number of vectors", fields, size_t{0}, kVectorFieldsMax));
  for (const auto& [name, dense] : config.dense) ALMAGEST_TRY_VOID(CheckDense(name, dense));
  for (const auto& [name, sparse] : config.sparse) {
    ALMAGEST_TRY_VOID(CheckFieldName("a sparse vector name", name, kNameBytesMax));
    if (config.dense.contains(name)) {
      return Fail(ErrorCode::kOutOfRange,
                  "vector '" + name + "' is dense and sparse; a name is one of the two");
    }
  }
  const OptimizerConfig& optimizer = config.optimizer;
  ALMAGEST_TRY_VOID(CheckRange("almagest.seal_rows", optimizer.seal_rows, 1u, kSealRowsMax));
  ALMAGEST_TRY_VOID(
      CheckRange("optimizers_config.default_segment_number", optimizer.segments_max, 1u, 64u));
  ALMAGEST_TRY_VOID(CheckRange("optimizers_config.max_segment_size", optimizer.merged_rows_max, 1u,
                               kMergedRowsMax));
  if (!std::isfinite(optimizer.deleted_fraction_max)) {
    return Fail(ErrorCode::kOutOfRange, "optimizers_config.deleted_threshold is not a number");
  }
  ALMAGEST_TRY_VOID(
      CheckRange("optimizers_config.deleted_threshold", optimizer.deleted_fraction_max, 0.0, 1.0));
  for (const auto& [key, index] : config.payload_indexes) {
    if (key.empty()) return Fail(ErrorCode::kOutOfRange, "a payload index has an empty key");
    ALMAGEST_TRY_VOID(CheckFieldName("a payload index key", key, 1024));
  }
  return CheckRange("the size of metadata in bytes", config.metadata_json.size(), size_t{0},
                    kMetadataBytesMax);
}

Result<> ValidateCollectionName(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax) {
    return Fail(ErrorCode::kOutOfRange, "the collection name has " + std::to_string(name.size()) +
                                            " bytes; it must have between 1 and " +
                                            std::to_string(kNameBytesMax));
  }
  if (name == "." || name == "..") {
    return Fail(ErrorCode::kOutOfRange,
                "the collection name must not be '" + std::string(name) + "'");
  }
  for (const char character : name) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x20 || byte == 0x7f) {
      return Fail(ErrorCode::kOutOfRange, "the collection name contains a control character");
    }
    if (std::string_view("/\\:*?\"<>|").find(character) != std::string_view::npos) {
      return Fail(ErrorCode::kOutOfRange,
                  std::string("the collection name must not contain '") + character + "'");
    }
  }
  if (!IsUtf8(std::string(name))) {
    return Fail(ErrorCode::kOutOfRange, "the collection name is not valid UTF-8");
  }
  return {};
}

std::string ConfigToJson(const CollectionConfig& config) {
  Json dense = Json::object();
  for (const auto& [name, field] : config.dense) dense[name] = ToJson(field);
  Json sparse = Json::object();
  for (const auto& [name, field] : config.sparse) {
    sparse[name] = {{"idf", field.idf}, {"settings", field.settings_json}};
  }
  Json indexes = Json::object();
  for (const auto& [key, index] : config.payload_indexes) {
    indexes[key] = Json::parse(PayloadIndexConfigToJson(index));
  }
  Json json = {{"dense", std::move(dense)},
               {"sparse", std::move(sparse)},
               {"optimizer",
                {{"seal_rows", config.optimizer.seal_rows},
                 {"segments_max", config.optimizer.segments_max},
                 {"merged_rows_max", config.optimizer.merged_rows_max},
                 {"deleted_fraction_max", config.optimizer.deleted_fraction_max},
                 {"vacuum_rows_min", config.optimizer.vacuum_rows_min},
                 {"idle_seal_rows", config.optimizer.idle_seal_rows},
                 {"enabled", config.optimizer.enabled}}},
               {"durability", config.durability == Durability::kSync ? "sync" : "process"},
               {"payload_indexes", std::move(indexes)},
               {"metadata", config.metadata_json},
               {"settings", config.settings_json}};
  if (config.strict_mode != StrictModeConfig()) {
    json["strict_mode"] = Json::parse(StrictModeToJson(config.strict_mode));
  }
  if (!config.field_ids.empty()) json["field_ids"] = config.field_ids;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<CollectionConfig> ConfigFromJson(std::string_view text) {
  try {
    return Parse(Json::parse(text));
  } catch (const Json::exception& error) {
    return Fail(ErrorCode::kCorruption,
                std::string("the stored configuration cannot be read: ") + error.what());
  }
}

}  // namespace almagest
