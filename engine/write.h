// Write operations: what http hands to Collection::Write. Every one is deterministic: applied to
// the same state with the same sequence number it gives the same result.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/payload/filter.h"
#include "engine/types.h"

namespace almagest {

struct PointInput {
  PointId id;
  NamedVectors vectors;                // Base vectors, as given. May be empty.
  std::optional<std::string> payload;  // Canonical JSON object text (payload.h).
};

// Which points an operation touches: ids, or all that match a filter when it is applied.
using PointSelector = std::variant<std::vector<PointId>, Filter>;

enum class UpdateMode : uint8_t { kUpsert, kInsertOnly, kUpdateOnly };

// Replaces whole points (vectors and payload).
struct UpsertOperation {
  std::vector<PointInput> points;
  UpdateMode mode = UpdateMode::kUpsert;
  std::optional<Filter> update_filter;  // Existing points that do not match are left as they are.
};
struct DeletePointsOperation { PointSelector points; };
// Sets vectors of existing points; other vectors stay. Unknown id: kNotFound.
struct UpdateVectorsOperation {
  std::vector<PointInput> points;
  std::optional<Filter> update_filter = {};  // Points that do not match are left as they are.
};
struct DeleteVectorsOperation { PointSelector points; std::vector<std::string> names; };
// Merges `payload` (canonical object text) at the path `key` (empty: the root).
struct SetPayloadOperation { PointSelector points; std::string payload; std::string key; };
struct OverwritePayloadOperation { PointSelector points; std::string payload; };
struct DeletePayloadKeysOperation { PointSelector points; std::vector<std::string> keys; };
struct ClearPayloadOperation { PointSelector points; };

using WriteOperation =
    std::variant<UpsertOperation, DeletePointsOperation, UpdateVectorsOperation,
                 DeleteVectorsOperation, SetPayloadOperation, OverwritePayloadOperation,
                 DeletePayloadKeysOperation, ClearPayloadOperation>;

struct WriteResult {
  SequenceNumber operation_id = 0;
};

}  // namespace almagest
