// How a sealed sparse index lies in memory and in its file. Rows are put into an order of their
// own, in which similar ones are near each other (sparse_order.h); a row's place in it is its
// position.
//
//   block   32 consecutive positions. What a search can rule out at once.
//   group   8 consecutive blocks: as far as a byte reaches.
//   chunk   64 consecutive blocks. What a search evaluates at once.
//
// The postings of a term are kept in one of two forms:
//   listed  a word per posting: position | level << 26, and after it its float weight: whoever
//           reads the one reads the other (most lists are a few cache lines). The level is the
//           block's largest weight in 63rds of the term's, rounded up, at least 1; it stands at
//           the block's first posting, 0 at its others.
//   dense   for terms that have a posting for every fourth block or more (for every second where
//           rows have few terms: sparse_build.cpp): a byte per block, its
//           largest weight in 255ths of the term's, rounded up, 0 where the term does not occur;
//           where the block's postings begin within its chunk, with a bit for every quarter of the
//           block that has the term (QuarterShift); and 5 bytes per posting, the place in the group
//           and the float weight.
// Terms with as many postings as there are chunks have a directory: where each chunk begins.
#pragma once

#include <cstdint>
#include <limits>

namespace almagest {

inline constexpr uint32_t kRowsPerBlock = 32;
inline constexpr uint32_t kBlocksPerGroup = 8;
inline constexpr uint32_t kRowsPerGroup = kBlocksPerGroup * kRowsPerBlock;
inline constexpr uint32_t kBlocksPerChunk = 64;
inline constexpr uint32_t kRowsPerChunk = kRowsPerBlock * kBlocksPerChunk;

inline constexpr uint32_t kPositionBits = 26;
inline constexpr uint32_t kPositionMask = (uint32_t{1} << kPositionBits) - 1;
inline constexpr uint32_t kSparseRowsMax = uint32_t{1} << kPositionBits;
inline constexpr float kListedLevels = 63.0f;
inline constexpr float kDenseLevels = 255.0f;

inline constexpr uint32_t kDensePostingBytes = 5;
inline constexpr uint32_t kNoNumber = std::numeric_limits<uint32_t>::max();

// Stored as it is.
struct SparseMeta {
  uint32_t row_count = 0;  // Rows of the segment, those without terms included.
  uint32_t term_count = 0;
  uint64_t posting_count = 0;
};

// Stored as it is: a listed posting.
struct SparsePosting {
  uint32_t place = 0;  // Position and level.
  float weight = 0.0f;

  uint32_t position() const { return place & kPositionMask; }
};
static_assert(sizeof(SparsePosting) == 8);

// Stored as it is: the postings of one term.
struct SparseList {
  uint64_t first = 0;  // In listed_postings or dense_postings (of 5 bytes each).
  uint32_t posting_count = 0;
  uint32_t dense_number = kNoNumber;  // Its rows in maxima and starts; kNoNumber: listed.
  uint32_t directory = kNoNumber;     // Its row in directories; kNoNumber: none.
  float weight_max = 0.0f;
  float weight_min = 0.0f;
  uint32_t reserved = 0;
};
static_assert(sizeof(SparseList) == 32);

// Of a dense term's start: the bit that is set if the quarter of a block that this row is in has
// the term. The bits below are the start.
inline constexpr uint32_t QuarterShift(uint32_t position) {
  return 11 + position % kRowsPerBlock / (kRowsPerBlock / 4);
}
static_assert(kRowsPerChunk == 1u << 11);

inline constexpr uint32_t ChunkCount(uint32_t row_count) {
  return static_cast<uint32_t>((uint64_t{row_count} + kRowsPerChunk - 1) / kRowsPerChunk);
}

}  // namespace almagest
