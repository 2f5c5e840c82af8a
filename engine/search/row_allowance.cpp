#include "engine/search/row_allowance.h"

#include <algorithm>
#include <bit>

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

std::vector<uint32_t> RowAllowance::Rows() const {
  std::vector<uint32_t> rows;
  rows.reserve(count);
  for (size_t i = 0; i < words.size(); ++i) {
    for (uint64_t word = words[i]; word != 0; word &= word - 1) {
      rows.push_back(static_cast<uint32_t>(i * 64 + static_cast<size_t>(std::countr_zero(word))));
    }
  }
  return rows;
}

RowAllowance AllowRows(const Segment& segment, const SlotSet& slots) {
  RowAllowance allowance;
  allowance.row_limit = segment.row_count();
  allowance.words.assign((size_t{allowance.row_limit} + 63) / 64, 0);
  const auto allow = [&](uint32_t row) {
    ++allowance.count;
    allowance.words[row / 64] |= uint64_t{1} << (row % 64);
  };
  const SectionNumbers* sorted = segment.sorted_slots();
  if (sorted == nullptr) {
    for (uint32_t row = 0; row < allowance.row_limit; ++row) {
      if (slots.Contains(segment.slot_of(row))) allow(row);
    }
  } else if (sorted->CountsUp()) {
    const auto first = static_cast<Slot>(sorted->size() == 0 ? 0 : (*sorted)[0]);
    for (const Slot slot : slots.ToVector()) {
      if (slot >= first && slot - first < sorted->size()) allow(slot - first);
    }
  } else {
    size_t position = 0;
    slots.ForEach([&](Slot slot) {
      position = Gallop(*sorted, position, slot);
      if (position < sorted->size() && (*sorted)[position] == slot) {
        allow(static_cast<uint32_t>(position));
      }
    });
  }
  return allowance;
}

}  // namespace almagest
