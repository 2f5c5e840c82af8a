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

// Of `words`, bits of the first `rows` rows, those whose row has (or has not) a vector of `field`.
void Restrict(const std::optional<Segment::DenseField>& field, uint32_t rows, bool wanted,
              std::vector<uint64_t>& words) {
  const uint64_t flip = wanted ? 0 : ~uint64_t{0};
  if (!field) {
    if (wanted) std::ranges::fill(words, 0);
    return;
  }
  if (field->growing_rows != nullptr) {
    for (size_t b = 0; b < GrowingRows::kBlocks; ++b) {
      const GrowingRows::Block block = field->growing_rows->BlockRows(b, rows);
      for (size_t w = 0; w < BitmapWords(block.count); ++w) {
        words[block.first / 64 + w] &=
            block.present_words[w].load(std::memory_order_relaxed) ^ flip;
      }
    }
    return;
  }
  const uint64_t* present = field->rows.present_words;
  if (field->rows.data == nullptr) {
    const auto in_graph = field->code_graph->present_words();
    present = in_graph.empty() ? nullptr : in_graph.data();
  }
  if (present != nullptr) {
    for (size_t w = 0; w < words.size(); ++w) words[w] &= present[w] ^ flip;
  } else if (!wanted) {
    std::ranges::fill(words, 0);
  }
}

std::vector<uint64_t> AllOf(uint32_t rows) {
  std::vector<uint64_t> words(BitmapWords(rows), ~uint64_t{0});
  if (rows % 64 != 0) words.back() = (uint64_t{1} << (rows % 64)) - 1;
  return words;
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

void KeepRowsWithout(const Segment& segment, FieldId field, FieldId absent, uint32_t row_limit,
                     std::optional<RowAllowance>& allowance) {
  const auto other = segment.dense(absent);
  if (!other) return;
  if (!allowance) {
    allowance.emplace();
    allowance->row_limit = row_limit;
    allowance->words = AllOf(row_limit);
  }
  Restrict(other, allowance->row_limit, false, allowance->words);
  Restrict(segment.dense(field), allowance->row_limit, true, allowance->words);
  allowance->count = 0;
  for (const uint64_t word : allowance->words) {
    allowance->count += static_cast<uint32_t>(std::popcount(word));
  }
}

bool HasRowsWithout(const Segment& segment, FieldId field, FieldId absent) {
  const uint32_t rows = segment.row_count();
  const auto wanted = segment.dense(field);
  if (rows == 0 || !wanted) return false;
  std::vector<uint64_t> words = AllOf(rows);
  Restrict(segment.dense(absent), rows, false, words);
  Restrict(wanted, rows, true, words);
  const std::atomic<uint64_t>* deleted = segment.deleted_words();
  for (size_t w = 0; w < words.size(); ++w) {
    if ((words[w] & ~deleted[w].load(std::memory_order_relaxed)) != 0) return true;
  }
  return false;
}

}  // namespace almagest
