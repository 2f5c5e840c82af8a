// JSON to collection settings and back, in Qdrant's words, with our own keys under "almagest":
// {"durability": "sync" | "process", "seal_rows": n}.
//
// Three kinds of options (docs/openapi.yaml lists each with its reason):
//   - those we have set something;
//   - those whose promise holds here without a setting (on_disk, wal_config, shard_number 1, ...)
//     are accepted;
//   - all others are refused by name: an option is never accepted and ignored.
#pragma once

#include <string>

#include "engine/collection/collection.h"
#include "engine/config.h"
#include "http/json_reader.h"
#include "http/json_writer.h"

namespace almagest {

// PUT /collections/{c}
Result<CollectionConfig> ParseCreateCollection(const JsonValue& body);
// PATCH /collections/{c}: applies the changes in `body` to `config`; all or nothing when the caller
// works on a copy.
Result<> ApplyCollectionChanges(const JsonValue& body, CollectionConfig& config);
// PUT /collections/{c}/vectors/{name}: {"dense": {...}} or {"sparse": {...}}, to be added to a
// collection of that configuration.
Result<Collection::NewVector> ParseNewVector(const JsonValue& body, const std::string& name,
                                             CollectionConfig config);
// `field_schema`: a type name or an object with `type`.
Result<PayloadIndexConfig> ParsePayloadIndexSchema(const JsonValue& value);

// What telemetry shows of a configuration: the vectors and what goes with them, or all settings.
void WriteCollectionParams(JsonWriter& json, const CollectionConfig& config);
void WriteCollectionSettings(JsonWriter& json, const CollectionConfig& config);

// The result of GET /collections/{c}.
void WriteCollectionInfo(JsonWriter& json, const CollectionConfig& config,
                         const CollectionInfo& info);

}  // namespace almagest
