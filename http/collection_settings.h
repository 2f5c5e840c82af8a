// The settings of a collection in REST's words. They are kept as they were given (settings_json in
// engine/config.h), so that they can be shown and changed one by one, and what the engine goes by
// follows from them: a setting that a vector field does not have itself is the collection's, and
// one that neither has is the server's.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "engine/config.h"
#include "http/json_reader.h"

namespace almagest {

// Segments of fewer rows are not rewritten for their deleted ones, unless
// `vacuum_min_vector_number` says otherwise; as in Qdrant.
inline constexpr uint32_t kVacuumRowsMin = 1000;

// Each adds what is given to what is kept: objects member by member, a null member changes nothing.
// Nothing is checked here: that is DeriveSettings' part.
void KeepVectorSettings(const JsonValue& vector, DenseVectorConfig& dense);
void KeepSparseSettings(const JsonValue& vector, SparseVectorConfig& sparse);
// hnsw_config, quantization_config, optimizers_config, wal_config.
void KeepIndexSettings(const JsonValue& body, CollectionConfig& config);
// on_disk_payload, payload: in `params` of a change, in the body of a creation.
void KeepStorageSettings(const JsonValue& params, CollectionConfig& config);

// Sets graphs, quantization and the optimizer of `config` by the settings that are kept. Errors
// name a setting by its place in a creating body; settings that this server cannot keep are refused
// by name. On an error `config` is half changed.
Result<> DeriveSettings(CollectionConfig& config);

// Kept settings as they are shown.
nlohmann::json KeptSettings(const std::string& settings_json);

}  // namespace almagest
