// Nearest neighbours of one dense vector over all segments of a view, whatever adapter version
// each segment's rows were written by.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"
#include "engine/search/query_trace.h"
#include "engine/search/ranked_slots.h"

namespace almagest {

// Borrows everything.
struct DenseSearch {
  std::string_view vector_name = {};
  FieldId field = 0;
  Distance distance = Distance::kCosine;
  std::span<const float> base_query = {};  // As the client gave it; dimension checked.
  size_t k = 10;
  const SearchParams& params;
  bool exact = false;                  // Whatever `params` says.
  const SlotSet* allowed = nullptr;    // nullptr: no filter.
  std::optional<FieldId> absent = {};  // Points with a vector of this field do not count.
  std::optional<VersionId> as_version = {};  // Default: the active one.
  Deadline deadline = {};
  std::vector<SegmentTrace>* trace = nullptr;  // Told what was searched and how, if given.
};

// At most k slots, best first; never fewer than min(k, matches): exact where rows are scanned,
// approximate where a graph is walked (code_graph_search.h, hnsw_search.h). Per segment the plan is:
// scan the matching rows when they are few or the segment has no graph; else walk the graph.
// Scores are those of the float rows unless the search asks not to be rescored.
// Errors: kNotFound (as_version), kTimeout.
Result<std::vector<RankedSlot>> SearchDense(const CollectionView& view,
                                            const DenseSearch& search);

// Beam width of HNSW when the client gives none: at least this, and at least the limit. Code graphs
// have one each, found at seal time.
inline constexpr uint32_t kBeamWidthDefault = 128;

// The score that REST shows for a similarity under this distance.
float RestScore(Distance distance, float similarity);

}  // namespace almagest
