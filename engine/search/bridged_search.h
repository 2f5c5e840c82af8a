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
// is SearchDense.
//
// Everything is in the view: which points have which vectors is a matter of their rows
// (row_allowance.h). Rows that are written during the search are looked at once more, so that a
// point is found whichever vector it gains or loses meanwhile. Where the old field was removed since
// the view was taken, this is SearchDense.
//
// Cost: both searches (that of the old field with a bitmap of rows as a filter in those segments
// that have rows of both kinds), the product with the bridge's matrix, and some operations on
// bitmaps of rows. Errors: those of SearchDense.
Result<std::vector<RankedSlot>> SearchBridged(const Collection& collection,
                                              const CollectionView& view, const DenseSearch& search,
                                              const Bridge& bridge);

// Scores of a ranked list as the bridge's curve maps them: never equal where they were not, so the
// order stays. Exposed for tests.
void CalibrateRanked(const MonotoneCurve& curve, std::vector<RankedSlot>& ranked);

}  // namespace almagest
