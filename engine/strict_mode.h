// Limits that the owner of a collection puts on its requests (REST `strict_mode_config`). http
// enforces them; here they are only kept.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/result.h"

namespace almagest {

// Every field as in Qdrant's StrictModeConfig; what is absent limits nothing. None counts unless
// `enabled` is true.
struct StrictModeConfig {
  std::optional<bool> enabled;
  std::optional<bool> unindexed_filtering_retrieve, unindexed_filtering_update, search_allow_exact;
  std::optional<uint64_t> max_query_limit, max_timeout, search_max_hnsw_ef, upsert_max_batchsize,
      search_max_batchsize, max_collection_vector_size_bytes, read_rate_limit, write_rate_limit,
      max_collection_payload_size_bytes, max_points_count, filter_max_conditions,
      condition_max_size, max_payload_index_count, max_resident_memory_percent;
  std::optional<double> search_max_oversampling;
  // By vector name.
  std::optional<std::map<std::string, uint64_t>> multivector_max_vectors, sparse_max_length;

  bool active() const { return enabled.value_or(false); }
  bool operator==(const StrictModeConfig&) const = default;
};

// Sets what the JSON object names; nulls and absent fields stay as they are. kBadRequest naming the
// field for a wrong form or an unknown field, kOutOfRange for a value out of its range; then
// `config` is as it was.
Result<> MergeStrictMode(std::string_view json, StrictModeConfig* config);
// The object that MergeStrictMode reads; "{}" when nothing is set.
std::string StrictModeToJson(const StrictModeConfig& config);

}  // namespace almagest
