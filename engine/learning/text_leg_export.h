// What a job folder (docs/job-folder.md) says of words: what a search by words finds for the
// queries that were judged, so that the trainer can learn how to fuse it with the dense leg; and
// which documents are near each other by words, which teaches the dense vectors where feedback is
// little.
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

inline constexpr size_t kNeighbourDepth = 3;
inline constexpr size_t kNeighbourDocuments = 4'000;
inline constexpr uint64_t kNeighbourQueriesMax = 500;

// Writes `path` with the kNeighbourDepth points nearest to some of the points (every n-th of the
// `row_count` exported rows, kNeighbourDocuments at most) in the collection's sparse field with
// modifier idf, the point itself left out. Writes nothing and returns false if the collection has
// not exactly one such field or none of these points has a vector there; or with more than
// kNeighbourQueriesMax `queries`, from which the trainer learns more than from words.
// Cost: one sparse search per point. kUnavailable when cancelled.
Result<bool> WriteNeighbours(const Collection& collection, uint64_t row_count, uint64_t queries,
                             const std::function<std::optional<int32_t>(const PointId&)>& row_of,
                             const std::atomic<bool>& cancel, const std::filesystem::path& path);

}  // namespace almagest
