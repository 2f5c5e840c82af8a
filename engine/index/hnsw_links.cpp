#include "engine/index/hnsw_links.h"

#include <algorithm>
#include <thread>

namespace almagest {

DiverseSelection::DiverseSelection(const DenseRowsView& rows, Metric metric)
    : rows_(rows), kernels_(&KernelsFor(metric == Metric::kDot ? Metric::kEuclid : metric)) {}

void DiverseSelection::Select(uint32_t row, std::span<const ScoredRow> candidates, size_t count_max,
                              std::vector<uint32_t>& selected) const {
  selected.clear();
  std::vector<uint32_t> copies;
  const auto nearness = [this](uint32_t a, uint32_t b) {
    return kernels_->pair(rows_.Row(a), rows_.Row(b), rows_.dimension);
  };
  for (const ScoredRow& candidate : candidates) {
    if (selected.size() + copies.size() >= count_max) break;
    const float to_row = nearness(candidate.row, row);
    if (to_row == 0.0f) {
      if (copies.size() < count_max / 2) copies.push_back(candidate.row);
      continue;
    }
    const bool diverse = std::none_of(selected.begin(), selected.end(), [&](uint32_t kept) {
      return nearness(candidate.row, kept) > to_row;
    });
    if (diverse) selected.push_back(candidate.row);
  }
  selected.insert(selected.end(), copies.begin(), copies.end());
}

HnswLinkTable::HnswLinkTable(HnswGraphArrays& arrays)
    : arrays_(arrays),
      degree_(arrays.meta.degree),
      locks_(new std::atomic<bool>[arrays.meta.row_count]()) {}

uint32_t* HnswLinkTable::List(uint32_t row, uint32_t level) const {
  if (level == 0) return arrays_.level0.data() + row * 2 * degree_;
  return arrays_.upper.data() + (size_t{arrays_.upper_first[row]} + level - 1) * degree_;
}

size_t HnswLinkTable::Read(uint32_t row, uint32_t level, uint32_t* links) const {
  uint32_t* list = List(row, level);
  const size_t capacity = Capacity(level);
  for (size_t i = 0; i < capacity; ++i) {
    const uint32_t link = std::atomic_ref<uint32_t>(list[i]).load(std::memory_order_relaxed);
    if (link == kNoRow) return i;
    links[i] = link;
  }
  return capacity;
}

void HnswLinkTable::Write(uint32_t row, uint32_t level, std::span<const uint32_t> links) {
  const size_t capacity = Capacity(level);
  for (size_t i = 0; i < capacity; ++i) {
    WriteOne(row, level, i, i < links.size() ? links[i] : kNoRow);
  }
}

void HnswLinkTable::WriteOne(uint32_t row, uint32_t level, size_t place, uint32_t link) {
  std::atomic_ref<uint32_t>(List(row, level)[place]).store(link, std::memory_order_relaxed);
}

HnswLinkTable::Lock::Lock(HnswLinkTable& table, uint32_t row) : flag_(table.locks_[row]) {
  while (flag_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
}

HnswLinkTable::Lock::~Lock() { flag_.store(false, std::memory_order_release); }

}  // namespace almagest
