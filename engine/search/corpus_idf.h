// Inverse document frequencies over some points instead of the whole collection.
#pragma once

#include <string>
#include <vector>

#include "engine/collection/collection.h"

namespace almagest {

// idf = ln((N - df + 0.5) / (df + 0.5) + 1) of each term, N and df counted over the points of
// `corpus` (all of which have a vector of `field`). Cost: one posting list per term. Errors:
// kTimeout.
Result<std::vector<float>> CorpusIdf(const Collection& collection, const CollectionView& view,
                                     const Collection::Field& field, const SlotSet& corpus,
                                     std::span<const uint32_t> terms, const Deadline& deadline);

}  // namespace almagest
