// Nearest neighbours while a collection moves from one embedding model to another: points that have
// a vector of the new model by it, the others by their old vector through a bridge, in one list.
#pragma once

#include <vector>

#include "engine/collection/bridge.h"
#include "engine/search/dense_search.h"

namespace almagest {

// As SearchDense of `search`, whose field is the bridge's `from`. Scores are those of the new
// model; of points without a vector of it, what the bridge's curve says they would be. Where no
// point has one the list is that of a search of the old field, in its order; where all have one, it
// is SearchDense, and the bridge costs two set operations.
//
// Cost: both searches (each under half of the points as a filter), the product with the bridge's
// matrix, and set algebra over the points. Errors: those of SearchDense.
Result<std::vector<RankedSlot>> SearchBridged(const Collection& collection,
                                              const CollectionView& view, const DenseSearch& search,
                                              const Bridge& bridge);

// Scores of a ranked list as the bridge's curve maps them: never equal where they were not, so the
// order stays. Exposed for tests.
void CalibrateRanked(const MonotoneCurve& curve, std::vector<RankedSlot>& ranked);

}  // namespace almagest
