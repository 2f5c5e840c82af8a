// Exact top-k by sparse dot product over all segments of a view.
#pragma once

#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"
#include "engine/search/query_trace.h"
#include "engine/search/ranked_slots.h"

namespace almagest {

struct SparseSearch {
  Collection::Field field;
  const SparseVector* query = nullptr;  // As the client gave it; idf is applied here.
  size_t k = 10;
  const SlotSet* allowed = nullptr;  // nullptr: no filter.
  bool indexed_only = false;         // Sealed segments only.
  Deadline deadline;
  // One per term of the query, in place of the collection's; nullptr: the collection's.
  const std::vector<float>* idf = nullptr;
  std::vector<SegmentTrace>* trace = nullptr;  // Told what was searched, if given.
};

// At most k slots that share a term with the query, best first; exact. When the field's modifier
// is idf, query weights are multiplied by it (over the whole collection, so that scores of
// different segments compare). Errors: kTimeout.
Result<std::vector<RankedSlot>> SearchSparse(const Collection& collection,
                                             const CollectionView& view,
                                             const SparseSearch& search);

}  // namespace almagest
