#include "engine/strict_mode.h"

#include <array>
#include <nlohmann/json.hpp>

namespace almagest {
namespace {

using Json = nlohmann::json;

struct Flag {
  const char* name;
  std::optional<bool> StrictModeConfig::*field;
};
constexpr std::array<Flag, 4> kFlags = {{
    {"enabled", &StrictModeConfig::enabled},
    {"unindexed_filtering_retrieve", &StrictModeConfig::unindexed_filtering_retrieve},
    {"unindexed_filtering_update", &StrictModeConfig::unindexed_filtering_update},
    {"search_allow_exact", &StrictModeConfig::search_allow_exact},
}};

struct Limit {
  const char* name;
  std::optional<uint64_t> StrictModeConfig::*field;
  uint64_t lowest = 0;
  uint64_t highest = UINT64_MAX;
};
constexpr std::array<Limit, 14> kLimits = {{
    {"max_query_limit", &StrictModeConfig::max_query_limit, 1},
    {"max_timeout", &StrictModeConfig::max_timeout, 1},
    {"search_max_hnsw_ef", &StrictModeConfig::search_max_hnsw_ef},
    {"upsert_max_batchsize", &StrictModeConfig::upsert_max_batchsize},
    {"search_max_batchsize", &StrictModeConfig::search_max_batchsize},
    {"max_collection_vector_size_bytes", &StrictModeConfig::max_collection_vector_size_bytes},
    {"read_rate_limit", &StrictModeConfig::read_rate_limit, 1},
    {"write_rate_limit", &StrictModeConfig::write_rate_limit, 1},
    {"max_collection_payload_size_bytes", &StrictModeConfig::max_collection_payload_size_bytes},
    {"max_points_count", &StrictModeConfig::max_points_count, 1},
    {"filter_max_conditions", &StrictModeConfig::filter_max_conditions},
    {"condition_max_size", &StrictModeConfig::condition_max_size},
    {"max_payload_index_count", &StrictModeConfig::max_payload_index_count},
    {"max_resident_memory_percent", &StrictModeConfig::max_resident_memory_percent, 1, 100},
}};

// {"vector": {"max_vectors": 5}}
struct PerVector {
  const char* name;
  const char* key;
  std::optional<std::map<std::string, uint64_t>> StrictModeConfig::*field;
};
constexpr std::array<PerVector, 2> kPerVector = {{
    {"multivector_config", "max_vectors", &StrictModeConfig::multivector_max_vectors},
    {"sparse_config", "max_length", &StrictModeConfig::sparse_max_length},
}};

tl::unexpected<Error> Bad(const std::string& field, const char* what) {
  return Fail(ErrorCode::kBadRequest, "`strict_mode_config." + field + "` must be " + what);
}

Result<uint64_t> ReadLimit(const std::string& name, const Json& value, uint64_t lowest,
                           uint64_t highest) {
  if (!value.is_number_unsigned()) return Bad(name, "a whole number from 0 up");
  const auto number = value.get<uint64_t>();
  if (number < lowest || number > highest) {
    return Fail(ErrorCode::kOutOfRange,
                "[strict_mode_config." + name + ": value " + std::to_string(number) +
                    " invalid, must be " + std::to_string(lowest) + " or larger" +
                    (highest == UINT64_MAX ? "" : ", and at most " + std::to_string(highest)) +
                    "]");
  }
  return number;
}

Result<> ReadPerVector(const PerVector& kind, const Json& value, StrictModeConfig* config) {
  if (!value.is_object()) return Bad(kind.name, "an object");
  std::map<std::string, uint64_t> limits;
  for (const auto& [vector, limit] : value.items()) {
    const std::string path = kind.name + ("." + vector);
    if (!limit.is_object()) return Bad(path, "an object");
    for (const auto& [key, number] : limit.items()) {
      if (key != kind.key) return Bad(path, "an object with one field of the specification");
      if (number.is_null()) continue;
      ALMAGEST_TRY(limits[vector], ReadLimit(path + "." + key, number, 1, UINT64_MAX));
    }
  }
  config->*kind.field = std::move(limits);
  return {};
}

Result<> ReadField(const std::string& name, const Json& value, StrictModeConfig* config) {
  for (const Flag& flag : kFlags) {
    if (name != flag.name) continue;
    if (!value.is_boolean()) return Bad(name, "true or false");
    config->*flag.field = value.get<bool>();
    return {};
  }
  for (const Limit& limit : kLimits) {
    if (name != limit.name) continue;
    ALMAGEST_TRY(config->*limit.field, ReadLimit(name, value, limit.lowest, limit.highest));
    return {};
  }
  for (const PerVector& kind : kPerVector) {
    if (name == kind.name) return ReadPerVector(kind, value, config);
  }
  if (name != "search_max_oversampling") return Bad(name, "a field of the specification");
  if (!value.is_number()) return Bad(name, "a number");
  config->search_max_oversampling = value.get<double>();
  return {};
}

}  // namespace

Result<> MergeStrictMode(std::string_view text, StrictModeConfig* config) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return Fail(ErrorCode::kBadRequest, "`strict_mode_config` must be an object");
  }
  StrictModeConfig merged = *config;
  for (const auto& [name, value] : json.items()) {
    if (!value.is_null()) ALMAGEST_TRY_VOID(ReadField(name, value, &merged));
  }
  *config = std::move(merged);
  return {};
}

std::string StrictModeToJson(const StrictModeConfig& config) {
  Json json = Json::object();
  for (const Flag& flag : kFlags) {
    if (config.*flag.field) json[flag.name] = *(config.*flag.field);
  }
  for (const Limit& limit : kLimits) {
    if (config.*limit.field) json[limit.name] = *(config.*limit.field);
  }
  if (config.search_max_oversampling) {
    json["search_max_oversampling"] = *config.search_max_oversampling;
  }
  for (const PerVector& kind : kPerVector) {
    if (!(config.*kind.field)) continue;
    json[kind.name] = Json::object();
    for (const auto& [vector, limit] : *(config.*kind.field)) {
      json[kind.name][vector] = {{kind.key, limit}};
    }
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace almagest
