// Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998; engine/query.h has the formula).
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/search/ranked_slots.h"

namespace almagest {

// Which candidates to show, in which order: at most `limit` positions. `relevance` is the
// similarity of each candidate to the query, `similarity` that of two candidates. Among equals the
// earlier candidate. O(limit * candidates) similarities.
// kTimeout after the deadline.
Result<std::vector<size_t>> SelectDiverse(std::span<const float> relevance,
                                          const std::function<float(size_t, size_t)>& similarity,
                                          double diversity, size_t limit, const Deadline& deadline);

// The same for the results of a search (best first). Dense vectors are compared as documents of
// `version`; of two multi-vectors the candidate is the query and the picked one the document. A
// candidate whose vector was removed meanwhile is left out.
Result<std::vector<RankedSlot>> Diversify(const Collection& collection, const CollectionView& view,
                                          const std::string& vector_name,
                                          const Collection::Field& field,
                                          std::optional<VersionId> version,
                                          std::vector<RankedSlot> candidates, double diversity,
                                          size_t limit, const Deadline& deadline);

}  // namespace almagest
