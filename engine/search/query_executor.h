// Answers reads on one collection: the query tree (prefetch, fusion), scroll, count, retrieve.
// Planning per segment: an exact scan of the matching rows when they are few, else the graph.
//
// Thread safety: pure functions over a Collection; any number may run at once, also beside writes.
#pragma once

#include <span>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"

namespace almagest {

// Hits, best first; ties by point id. Fewer than limit when fewer points match.
// Errors: kInvalidArgument (vector name, dimension), kNotFound (query by an absent id),
// kBadRequest (prefetch without query, fusion with `using`), kTimeout.
Result<std::vector<Hit>> ExecuteQuery(const Collection& collection, const QueryRequest& request);

Result<ScrollPage> Scroll(const Collection& collection, const ScrollRequest& request);

// Exact number of matching points.
Result<uint64_t> Count(const Collection& collection, const std::optional<Filter>& filter,
                       const Deadline& deadline);

// The points that exist, in the order asked; score is 0.
Result<std::vector<Hit>> Retrieve(const Collection& collection, std::span<const PointId> ids,
                                  const PayloadSelector& with_payload,
                                  const VectorSelector& with_vector);

}  // namespace almagest
