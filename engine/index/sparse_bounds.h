// What no row of a block can exceed in a sparse query: the first half of a search.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/index/sparse_index.h"
#include "engine/index/sparse_kernels.h"

namespace almagest {

// One term of a query that the index has, its list checked to lie inside of the arrays.
struct SparseQueryTerm {
  SparseList list;
  double weight = 0.0;
  float coefficient = 0.0f;  // Of its levels, in units of SparseBounds::unit.
};

// Keep one per thread: holds on to its memory.
struct SparseBounds {
  std::vector<SparseQueryTerm> terms;  // Ascending.
  // By block, in `unit`s. 0 exactly where no term of the query occurs.
  std::vector<float> blocks;
  std::vector<float> chunks;   // The largest of each chunk.
  bool only_positive = false;  // No weight is 0 or less: rows with a term have a sum above 0.
  double unit = 1.0;
  double slack = 1.0;  // bound * unit * slack covers every rounding, that of scores to float too.

  // Finds the terms and adds up their bounds. kCorruption if a list leads outside of the arrays.
  Result<> Compute(const SparseIndex& index, const SparseIndex::Arrays& arrays,
                   const SparseView& query);
  // Sets the bounds of blocks without a row that counts to 0, if rows that count are few.
  // False if there is none at all.
  bool Restrict(const SparseIndex::Arrays& arrays, const RowFilter& filter);
  // The smallest bound that can reach `score`; 0 unless the score is above 0.
  float BoundOf(float score) const;

 private:
  Result<> FindTerms(const SparseIndex& index, const SparseIndex::Arrays& arrays,
                     const SparseView& query);
  void ChooseUnit();

  std::vector<WeightedMaxima> dense_;
};

}  // namespace almagest
