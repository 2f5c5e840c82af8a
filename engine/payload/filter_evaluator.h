// Evaluates a filter (filter.h) over a collection, or over one point.
//
// Over a collection: every condition becomes two sets, slots that match for sure and slots that
// may. Indexed conditions and ids are exact sets; the others start as "all may". The tree is
// folded by set algebra, and only the slots that are still undecided at its root are read and
// tested, in batches. So an indexed condition saves the reading of all that it decides, wherever
// in the tree it stands.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/payload/filter.h"
#include "engine/payload/payload_indexes.h"
#include "engine/payload/slot_set.h"
#include "engine/types.h"

namespace almagest {

inline constexpr size_t kFilterDepthMax = 64;  // Filters within filters.

// What a filter is evaluated against. The references live longer than the call; the functions
// are called on the calling thread.
struct FilterContext {
  const SlotSet* live = nullptr;            // Every slot that holds a point. Required.
  const PayloadIndexes* indexes = nullptr;  // nullptr: no index.
  // kNoSlot for an unknown id.
  std::function<Slot(const PointId&)> slot_of;
  // The id of a live slot; any value for another slot. Needed for slices.
  std::function<PointId(Slot)> id_of;
  // Slots that have a vector of that name; empty for an unknown name.
  std::function<SlotSet(const std::string& name)> slots_with_vector;
  // Canonical payloads of the slots, in order; empty text where there is none.
  std::function<Result<std::vector<std::string>>(std::span<const Slot>)> payloads_of;
  Deadline deadline;
};

// Exactly the live slots that match. Errors: kInvalidArgument (a bad path), kTimeout (the deadline
// passed), or what payloads_of returns. Cost: set algebra, plus about 4 us per slot read.
Result<SlotSet> EvaluateFilter(const Filter& filter, const FilterContext& context);

// How many slots match, from indexes alone (no payload is read): min <= matches <= max.
struct Cardinality {
  uint64_t min = 0;
  uint64_t expected = 0;
  uint64_t max = 0;
};
Result<Cardinality> EstimateCardinality(const Filter& filter, const FilterContext& context);

// One point. `has_vector` may be empty if the point has no vectors. `indexes` says how text is read;
// nullptr stands for none.
Result<bool> MatchesFilter(const Filter& filter, std::string_view payload, const PointId& id,
                           const std::function<bool(const std::string& name)>& has_vector,
                           const PayloadIndexes* indexes = nullptr);

// The first bad path in the filter, as kInvalidArgument: for checking a request before it runs.
// Filters nested deeper than kFilterDepthMax are refused too.
Result<> CheckFilter(const Filter& filter);

}  // namespace almagest
