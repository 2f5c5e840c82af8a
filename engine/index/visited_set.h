// Which rows a search has met: one number per row, cleared by counting up instead of writing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace almagest {

// Keep one per thread. Start is O(1) but for growth and once in 2^32 calls. Not thread-safe.
class VisitedSet {
 public:
  // Forgets everything; afterwards holds rows below `row_count`.
  void Start(size_t row_count) {
    if (epochs_.size() < row_count) epochs_.resize(row_count, 0);
    if (++epoch_ == 0) {
      std::fill(epochs_.begin(), epochs_.end(), 0);
      epoch_ = 1;
    }
  }
  // True if the row was not in the set.
  bool Insert(uint32_t row) {
    if (epochs_[row] == epoch_) return false;
    epochs_[row] = epoch_;
    return true;
  }
  bool Contains(uint32_t row) const { return epochs_[row] == epoch_; }

 private:
  std::vector<uint32_t> epochs_;
  uint32_t epoch_ = 0;
};

}  // namespace almagest
