// What no row of a block can exceed in a sparse query: the first half of a search.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/index/sparse_index.h"
#include "engine/index/sparse_kernels.h"
#include "engine/index/sparse_query_terms.h"

namespace almagest {

// Keep one per thread: holds on to its memory.
struct SparseBounds {
  std::vector<SparseQueryTerm> terms;  // Ascending, with coefficients.
  // By block, in `unit`s. 0 exactly where no term of the query occurs.
  std::vector<float> blocks;
  std::vector<float> chunks;   // The largest of each chunk.
  bool only_positive = false;  // No weight is 0 or less: rows with a term have a sum above 0.
  double unit = 1.0;
  double slack = 1.0;  // bound * unit * slack covers every rounding, that of scores to float too.

  // Adds up the bounds of all terms.
  void Compute(const SparseIndex::Arrays& arrays, const SparseQueryTerms& found);
  // Whether so few rows count that Restrict rules out most blocks. O(row_count / 64) with a set of
  // allowed rows.
  static bool HasFewRows(uint32_t row_count, const RowFilter& filter);
  // Sets the bounds of blocks without a row that counts to 0, if rows that count are few.
  // False if there is none at all.
  bool Restrict(const SparseIndex::Arrays& arrays, const RowFilter& filter);
  // The smallest bound that can reach `score`; 0 unless the score is above 0.
  float BoundOf(float score) const;

 private:
  void ChooseUnit();

  std::vector<WeightedMaxima> dense_;
};

}  // namespace almagest
