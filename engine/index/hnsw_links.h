// The links of a graph while it is built: the rule that chooses them and the table that holds
// them, which several threads change and read at once.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/index/dense_rows.h"
#include "engine/index/distance.h"
#include "engine/index/hnsw_graph.h"
#include "engine/index/top_k.h"

namespace almagest {

// Algorithm 4 of the paper: of candidates (best first) keeps one only if it is nearer to the row
// than to every one kept before, so that links point in different directions.
// "Nearer" is measured by the squared distance under kDot too: on unit vectors it is the same
// order, and on others a long vector would otherwise push out all the rest.
// Exact copies of the row neither push out others nor fill more than half of the list: a group of
// copies stays linked to the world.
class DiverseSelection {
 public:
  DiverseSelection(const DenseRowsView& rows, Metric metric);
  // At most `count_max` of `candidates`, which do not hold `row` itself. Replaces `selected`.
  void Select(uint32_t row, std::span<const ScoredRow> candidates, size_t count_max,
              std::vector<uint32_t>& selected) const;

 private:
  DenseRowsView rows_;
  const DistanceKernels* kernels_;
};

// Lists of fixed capacity inside HnswGraphArrays. Writers hold the row's lock; readers take none
// and may see a list half old, half new: every link they see was a link of the row at some time.
class HnswLinkTable {
 public:
  // `arrays` has its final sizes; all lists start empty (kNoRow).
  explicit HnswLinkTable(HnswGraphArrays& arrays);

  size_t Capacity(uint32_t level) const { return level == 0 ? 2 * degree_ : degree_; }
  uint32_t LevelOf(uint32_t row) const {
    return arrays_.upper_first[row + 1] - arrays_.upper_first[row];
  }
  // Copies the list to `links` (room for Capacity(level)); returns its length.
  size_t Read(uint32_t row, uint32_t level, uint32_t* links) const;
  // Under the row's lock.
  void Write(uint32_t row, uint32_t level, std::span<const uint32_t> links);
  void WriteOne(uint32_t row, uint32_t level, size_t place, uint32_t link);

  // Spins; held for the few distances of one pruning. Never hold two.
  class Lock {
   public:
    Lock(HnswLinkTable& table, uint32_t row);
    ~Lock();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

   private:
    std::atomic<bool>& flag_;
  };

 private:
  uint32_t* List(uint32_t row, uint32_t level) const;

  HnswGraphArrays& arrays_;
  size_t degree_;
  std::unique_ptr<std::atomic<bool>[]> locks_;
};

}  // namespace almagest
