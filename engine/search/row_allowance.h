// Which rows of a segment a filter allows: the filter's slots translated to rows.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/collection/segment.h"
#include "engine/payload/filter_evaluator.h"

namespace almagest {

struct RowAllowance {
  std::vector<uint32_t> rows;   // Ascending; may include dead rows.
  std::vector<uint64_t> words;  // The same as a bitmap over `row_limit` rows.
  uint32_t row_limit = 0;       // Rows looked at (the segment may grow meanwhile).
};

// Cost: O(matches * log(gap)) for a sealed segment (both sides are sorted), O(rows) for a growing
// one.
RowAllowance AllowRows(const Segment& segment, const SlotSet& slots);

}  // namespace almagest
