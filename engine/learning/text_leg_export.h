// The text leg of a job folder (docs/job-folder.md): what a search by words finds for the queries
// that were judged, so that the trainer can learn how to fuse it with the dense leg.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/collection/collection.h"

namespace almagest {

inline constexpr size_t kTextLegDepth = 100;
inline constexpr size_t kTextLegQueriesMin = 20;

// Writes `path` with the first kTextLegDepth points of each query, by its text (a query without one
// gets none) through "qdrant/bm25" with default options, in the collection's sparse field with
// modifier idf. Writes nothing and returns false if the collection has not exactly one such field,
// or fewer than kTextLegQueriesMin queries have a text. `row_of` tells the exported row of a point.
// Cost: one sparse search per query. kUnavailable when cancelled.
Result<bool> WriteTextLeg(const Collection& collection,
                          const std::vector<std::optional<std::string>>& texts,
                          const std::function<std::optional<int32_t>(const PointId&)>& row_of,
                          const std::atomic<bool>& cancel, const std::filesystem::path& path);

}  // namespace almagest
