// The terms of a query that a sealed sparse index has: where both ways of searching it begin.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/index/sparse_index.h"

namespace almagest {

// One of them, its list checked to lie inside of the arrays.
struct SparseQueryTerm {
  SparseList list;
  double weight = 0.0;
  float coefficient = 0.0f;  // Of its levels, in units of SparseBounds::unit, which sets it.

  bool is_listed() const { return list.dense_number == kNoNumber; }
  // No row gets more from it, if all weights are above 0.
  double most() const { return weight * double{list.weight_max}; }
};

// Keep one per thread: holds on to its memory.
struct SparseQueryTerms {
  std::vector<SparseQueryTerm> terms;  // Ascending.
  bool only_positive = false;  // No weight is 0 or less: rows with a term have a sum above 0.

  // kCorruption if a list leads outside of the arrays. `query` has to be valid.
  Result<> Find(const SparseIndex::Arrays& arrays, const SparseView& query);

 private:
  std::vector<size_t> numbers_;
};

// Consecutive postings of a dense term.
struct DensePiece {
  const uint8_t* postings = nullptr;  // Of kDensePostingBytes each.
  uint32_t count = 0;
};

// Those of blocks [first, end), all of one chunk. Nothing where the arrays are damaged.
inline DensePiece PieceOf(const SparseIndex::Arrays& arrays, const SparseList& list, uint32_t first,
                          uint32_t end) {
  const size_t chunk_count = ChunkCount(arrays.meta.row_count);
  const uint32_t chunk = first / kBlocksPerChunk;
  const uint32_t* directory = arrays.directories.data() + list.directory * chunk_count;
  const uint16_t* starts = arrays.starts.data() + list.dense_number * chunk_count * kBlocksPerChunk;
  const uint32_t chunk_first = directory[chunk];
  const uint32_t begin = chunk_first + starts[first] % kRowsPerChunk;
  uint32_t limit = list.posting_count;
  if (end % kBlocksPerChunk != 0) {
    limit = std::min(limit, chunk_first + starts[end] % kRowsPerChunk);
  } else if (chunk + 1 < chunk_count) {
    limit = std::min(limit, directory[chunk + 1]);
  }
  if (begin >= limit) return {};
  return {arrays.dense_postings.data() + (list.first + begin) * kDensePostingBytes, limit - begin};
}

}  // namespace almagest
