#include "engine/search/seen_rows.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace almagest {

SeenRows::SeenRows(const Segment& segment) : segment_(&segment) {
  if (segment.sealed()) {
    count_ = segment.row_count();
    return;
  }
  std::vector<uint64_t> dead((size_t{segment.row_count()} + 63) / 64);
  for (size_t i = 0; i < dead.size(); ++i) {
    dead[i] = segment.deleted_words()[i].load(std::memory_order_acquire);
  }
  count_ = segment.row_count();
  dead.resize((size_t{count_} + 63) / 64);  // Rows that came meanwhile count as alive.
  noted_.reset(new std::atomic<uint64_t>[dead.size()]);
  for (size_t i = 0; i < dead.size(); ++i) noted_[i].store(dead[i], std::memory_order_relaxed);
}

bool SeenRows::DropSuperseded(std::span<const ScoredRow> found) {
  if (noted_ == nullptr) return false;
  std::vector<std::pair<Slot, uint32_t>> rows;
  rows.reserve(found.size());
  for (const ScoredRow& row : found) rows.emplace_back(segment_->slot_of(row.row), row.row);
  std::sort(rows.begin(), rows.end());
  bool any = false;
  for (size_t i = 0; i + 1 < rows.size(); ++i) {
    if (rows[i].first != rows[i + 1].first) continue;
    const uint32_t row = rows[i].second;
    noted_[row / 64].fetch_or(uint64_t{1} << (row % 64), std::memory_order_relaxed);
    any = true;
  }
  return any;
}

}  // namespace almagest
