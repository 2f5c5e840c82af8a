// Sums by row for the terms of a query that are added up term at a time. Few rows of an index have
// any: their sums lie side by side, found through two bytes a position, which stay in the
// second-level cache where an array of sums would not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/index/sparse_query_terms.h"

namespace almagest {

// Positions are handled a window at a time.
inline constexpr uint32_t kWindowChunks = 64;
inline constexpr uint32_t kWindowRows = kWindowChunks * kRowsPerChunk;

// Consecutive positions, whole chunks.
struct SparseWindow {
  uint32_t first = 0;
  uint32_t chunk_count = 0;  // At most kWindowChunks.

  uint32_t size() const { return chunk_count * kRowsPerChunk; }
  uint32_t first_block() const { return first / kRowsPerBlock; }
};

// Keep one per thread: holds on to its memory, 256 KB and what the sums take.
class SparseRowSums {
 public:
  static constexpr size_t kAdditionsMax = UINT16_MAX;

  // Before a search that adds at most `additions` (up to kAdditionsMax) postings in all.
  void Start(uint32_t row_count, size_t additions);

  // Adds query weight * weight to the sum of every posting in the window. `used`: how many of the
  // term's postings came before, 0 in the first window; is moved on.
  void Add(const SparseIndex::Arrays& arrays, const SparseQueryTerm& term,
           const SparseWindow& window, uint32_t& used);
  // Before the next window.
  void Clear();

  // Sums have the numbers 1 to count().
  uint32_t count() const { return count_; }
  uint32_t PositionOf(uint32_t number) const { return positions_[number]; }  // In the window.
  double SumOf(uint32_t number) const { return sums_[number]; }
  const uint32_t* positions() const { return positions_.data(); }
  const double* sums() const { return sums_.data(); }
  bool Has(uint32_t position) const { return numbers_[position] != 0; }

 private:
  void AddListed(const SparseIndex::Arrays& arrays, const SparseQueryTerm& term,
                 const SparseWindow& window, uint32_t& used);
  void AddDense(const SparseIndex::Arrays& arrays, const SparseQueryTerm& term,
                const SparseWindow& window, uint32_t& used);

  std::vector<uint16_t> numbers_;  // By position; 0: no sum. All 0 after Clear.
  std::vector<uint32_t> positions_;
  std::vector<double> sums_;  // All 0 after Clear.
  uint32_t count_ = 0;
};

}  // namespace almagest
