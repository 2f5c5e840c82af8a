// The frequent terms of a query that are not added up but looked at where that may matter: bounds
// by block, tighter ones by quarter of a block, and exact parts of single rows and blocks.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/index/sparse_kernels.h"
#include "engine/index/sparse_query_terms.h"
#include "engine/index/sparse_row_sums.h"

namespace almagest {

// All terms are dense. Positions and blocks count from the window's first. Keep one per thread.
class SparseRestTerms {
 public:
  // Bounds for the blocks of the window.
  void Start(const SparseIndex::Arrays& arrays, std::span<const SparseQueryTerm> terms,
             const SparseWindow& window);

  bool empty() const { return parts_.empty(); }
  // By block, whole chunks; 0 where no term occurs. Callers may lower them.
  std::vector<float>& bounds() { return bounds_; }
  // The sum of what each term gives at most, in any block.
  double most() const { return most_; }

  // What no row of the position's quarter of its block exceeds.
  float QuarterBound(uint32_t position) const {
    const uint32_t block = position / kRowsPerBlock;
    const uint32_t shift = QuarterShift(position);
    float bound = 0.0f;
    for (const Part& part : parts_) {  // Branches on the bit would not be predicted.
      const uint32_t has_term = (uint32_t{part.starts[block]} >> shift) & 1;
      bound += part.coefficient * static_cast<float>(part.maxima[block] & (0u - has_term));
    }
    return bound;
  }
  // Fetches what QuarterBound and Prefetch read.
  void PrefetchBlock(uint32_t position) const {
    const uint32_t block = position / kRowsPerBlock;
    for (const Part& part : parts_) {
      __builtin_prefetch(part.starts + block);
      __builtin_prefetch(part.directory + block / kBlocksPerChunk);
    }
  }
  // Fetches what SumOf reads.
  void Prefetch(uint32_t position) const {
    const uint32_t block = position / kRowsPerBlock;
    for (const Part& part : parts_) {
      const size_t place =
          size_t{part.directory[block / kBlocksPerChunk]} + part.starts[block] % kRowsPerChunk;
      __builtin_prefetch(part.postings + place * kDensePostingBytes);
    }
  }
  // What the terms add to the row.
  double SumOf(uint32_t position) const;
  // What they add to each row of the block.
  std::array<double, kRowsPerBlock> SumsOf(uint32_t block) const;

 private:
  struct Part {  // Of a term, from the window's first chunk or block on.
    const SparseQueryTerm* term;
    const uint8_t* maxima;
    const uint16_t* starts;
    const uint32_t* directory;
    const uint8_t* postings;
    float coefficient;
  };

  const SparseIndex::Arrays* arrays_ = nullptr;
  uint32_t first_block_ = 0;
  std::vector<Part> parts_;
  std::vector<WeightedMaxima> maxima_;
  std::vector<float> bounds_;
  double most_ = 0.0;
};

}  // namespace almagest
