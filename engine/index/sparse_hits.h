// The best rows of a search over a sealed sparse index, found by their positions.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "engine/index/sparse_index.h"
#include "engine/index/top_k.h"

namespace almagest {

class SparseHits {
 public:
  SparseHits(const SparseIndex::Arrays& arrays, const SparseQuery& query)
      : arrays_(arrays), filter_(query.filter), best_(query.k) {
    all_count_ = filter_.deleted_words == nullptr && filter_.allowed_words == nullptr &&
                 filter_.row_limit >= arrays.meta.row_count;
  }

  bool full() const { return best_.full(); }
  // As TopK::threshold.
  float threshold() const { return best_.threshold(); }
  // A smaller sum, rounded to float, cannot change the result. 0 while there is no such.
  double SumToReach() const {
    if (!best_.full() || !(best_.threshold() > 0.0f)) return 0.0;
    const double score = std::min(best_.threshold(), std::numeric_limits<float>::max());
    return std::max(0.0, score * (1.0 - 1e-7) - kSmallestFloat);
  }

  // Fetches what Push reads of this position.
  void Prefetch(uint32_t position) const {
    if (position < arrays_.row_of.size()) __builtin_prefetch(arrays_.row_of.data() + position);
  }
  // Whether the row at this position counts. False where that shows that the arrays are damaged.
  bool Counts(uint32_t position) const {
    if (all_count_) return position < arrays_.meta.row_count;
    const uint32_t row = RowOf(position);
    return row < arrays_.meta.row_count && filter_.Counts(row);
  }
  void Push(uint32_t position, float score) {
    if (score < best_.threshold()) return;
    const uint32_t row = RowOf(position);
    if (row >= arrays_.meta.row_count) return;  // Damaged.
    if (best_.Accepts(score, row) && filter_.Counts(row)) best_.Push(row, score);
  }
  std::vector<ScoredRow> Take() { return best_.Take(); }

 private:
  // Sums below the normal floats are rounded by more than their 2^-24th.
  static constexpr double kSmallestFloat = 1.5e-45;

  uint32_t RowOf(uint32_t position) const {
    if (position >= arrays_.meta.row_count) return kNoNumber;
    return arrays_.row_of.empty() ? position : arrays_.row_of[position];
  }

  const SparseIndex::Arrays& arrays_;
  const RowFilter& filter_;
  bool all_count_ = false;  // Without a filter no row has to be looked at.
  TopK best_;
};

}  // namespace almagest
