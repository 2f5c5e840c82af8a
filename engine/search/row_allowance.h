// Which rows of a segment a filter allows: the filter's slots translated to rows.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/collection/segment.h"
#include "engine/payload/filter_evaluator.h"

namespace almagest {

struct RowAllowance {
  std::vector<uint64_t> words;  // A bitmap over `row_limit` rows; may include dead rows.
  uint32_t row_limit = 0;       // Rows looked at (the segment may grow meanwhile).
  uint32_t count = 0;           // Of allowed rows.

  std::vector<uint32_t> Rows() const;  // Ascending. O(row_limit / 64 + count)
};

// Cost: O(matches) for a sealed segment, about a nanosecond each where its slots count up (points
// that were loaded at once) and up to O(matches * log(gap)) else (both sides are sorted); O(rows)
// for a growing one.
RowAllowance AllowRows(const Segment& segment, const SlotSet& slots);

// Of the rows of `allowance` (nullopt: of the first `row_limit` rows) those that have a vector of
// `field` and none of `absent`. Leaves nullopt as it is if that leaves nothing out. What vectors a
// row has never changes, since a point whose vectors change gets another row: so this needs no set
// of points, and agrees with what a search of either field meets. O(rows / 64)
void KeepRowsWithout(const Segment& segment, FieldId field, FieldId absent, uint32_t row_limit,
                     std::optional<RowAllowance>& allowance);
// Whether a live row would be left of all rows.
bool HasRowsWithout(const Segment& segment, FieldId field, FieldId absent);

}  // namespace almagest
