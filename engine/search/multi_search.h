// Nearest multi-vectors by MaxSim over all segments of a view. Exact: every matching row is scored,
// so what makes it quick is `allowed`, the results of a cheaper search (a prefetch).
#pragma once

#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"
#include "engine/search/query_trace.h"
#include "engine/search/ranked_slots.h"

namespace almagest {

struct MultiSearch {
  Collection::Field field;             // A multi-vector's.
  const MultiVector* query = nullptr;  // As the client gave it; dimension checked.
  size_t k = 10;
  const SlotSet* allowed = nullptr;  // nullptr: no filter.
  bool indexed_only = false;         // Sealed segments only.
  Deadline deadline;
  std::vector<SegmentTrace>* trace = nullptr;  // Told what was searched, if given.
};

// At most k slots, best first. Cosine: the query's rows are normalised here. Cost: max_sim.h per
// matching row, nothing for others in sealed segments. Errors: kTimeout.
Result<std::vector<RankedSlot>> SearchMulti(const CollectionView& view, const MultiSearch& search);

// MaxSim of a query against one document, both as stored.
float MultiSimilarity(Distance distance, const MultiVector& query, const MultiVector& document);

}  // namespace almagest
