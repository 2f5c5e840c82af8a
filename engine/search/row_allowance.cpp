#include "engine/search/row_allowance.h"

#include <algorithm>

namespace almagest {
namespace {

// First position in [from, slots.size()) whose slot is not below `slot`: doubling steps, then
// binary search, so that a sweep costs O(matches * log(gap)).
size_t Gallop(const SectionNumbers& slots, size_t from, Slot slot) {
  size_t step = 1;
  size_t low = from;
  size_t high = from;
  while (high < slots.size() && slots[high] < slot) {
    low = high + 1;
    high += step;
    step *= 2;
  }
  return slots.LowerBound(low, std::min(high, slots.size()), slot);
}

}  // namespace

RowAllowance AllowRows(const Segment& segment, const SlotSet& slots) {
  RowAllowance allowance;
  allowance.row_limit = segment.row_count();
  allowance.words.assign((size_t{allowance.row_limit} + 63) / 64, 0);
  const auto allow = [&](uint32_t row) {
    allowance.rows.push_back(row);
    allowance.words[row / 64] |= uint64_t{1} << (row % 64);
  };
  if (segment.sorted_slots() != nullptr) {
    const SectionNumbers& sorted = *segment.sorted_slots();
    size_t position = 0;
    slots.ForEach([&](Slot slot) {
      position = Gallop(sorted, position, slot);
      if (position < sorted.size() && sorted[position] == slot) {
        allow(static_cast<uint32_t>(position));
      }
    });
    return allowance;
  }
  for (uint32_t row = 0; row < allowance.row_limit; ++row) {
    if (slots.Contains(segment.slot_of(row))) allow(row);
  }
  return allowance;
}

}  // namespace almagest
