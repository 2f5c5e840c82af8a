// The links of an HNSW graph: flat, immutable arrays that are used where they are mapped.
// Source: Malkov & Yashunin, TPAMI 2020 (arXiv:1603.09320). Names in [brackets] are the paper's.
//
// Nodes are the rows of one DenseRowsView; absent rows have no links and are linked by none.
//   level0       row_count * 2*degree u32: the neighbours of each row, padded with kNoRow
//   upper_first  row_count + 1 u32, ascending: row r has links on the levels 1..n, where
//                n = upper_first[r+1] - upper_first[r]
//   upper        upper_first[row_count] * degree u32: the list of row r on level l >= 1 is number
//                upper_first[r] + l - 1
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/index/section_file.h"
#include "engine/index/section_writer.h"
#include "storage/base/result.h"

namespace almagest {

inline constexpr uint32_t kNoRow = 0xFFFFFFFF;
inline constexpr uint32_t kHnswDegreeMin = 2;
inline constexpr uint32_t kHnswDegreeMax = 256;
inline constexpr uint32_t kHnswLevelMax = 15;

// Stored as it is.
struct HnswMeta {
  uint32_t row_count = 0;
  uint32_t degree = 0;  // [M] Links of a row on level 1 and above; twice as many on level 0.
  uint32_t entry_row = kNoRow;  // Where every search starts; kNoRow: no row is present.
  uint32_t entry_level = 0;     // The highest level there is.
};

// A view; borrows its arrays (from a SectionFile or an HnswGraphArrays). Cheap to copy,
// thread-safe. Whatever the bytes were, every link found through it is a valid row.
class HnswGraph {
 public:
  HnswGraph() = default;

  // Views the sections `prefix`.meta, .level0, .upper_first and .upper without copying. Checks
  // every invariant above, so that damaged or hostile bytes cannot lead outside of the arrays:
  // O(row_count * degree), memory-bound. kCorruption with the reason.
  static Result<HnswGraph> Open(const SectionFile& file, std::string_view prefix);
  // The same checks over arrays in memory.
  static Result<HnswGraph> FromArrays(const HnswMeta& meta, std::span<const uint32_t> level0,
                                      std::span<const uint32_t> upper_first,
                                      std::span<const uint32_t> upper);

  // Adds the sections that Open reads. `prefix` of at most 24 bytes.
  Result<> Write(SectionWriter& writer, std::string_view prefix) const;

  const HnswMeta& meta() const { return meta_; }
  uint32_t row_count() const { return meta_.row_count; }
  uint32_t LevelOf(uint32_t row) const { return upper_first_[row + 1] - upper_first_[row]; }
  // A list of fixed length; it ends at its first kNoRow or at its end. level <= LevelOf(row).
  std::span<const uint32_t> Neighbours(uint32_t row, uint32_t level) const {
    const size_t degree = meta_.degree;
    if (level == 0) return level0_.subspan(row * 2 * degree, 2 * degree);
    return upper_.subspan((size_t{upper_first_[row]} + level - 1) * degree, degree);
  }
  size_t bytes() const { return (level0_.size() + upper_first_.size() + upper_.size()) * 4; }

 private:
  HnswMeta meta_;
  std::span<const uint32_t> level0_;
  std::span<const uint32_t> upper_first_;
  std::span<const uint32_t> upper_;
};

// The same arrays owned: what BuildHnsw makes.
struct HnswGraphArrays {
  HnswMeta meta;
  std::vector<uint32_t> level0;
  std::vector<uint32_t> upper_first;
  std::vector<uint32_t> upper;

  // Valid while this lives and is not changed. Aborts if the invariants do not hold.
  HnswGraph View() const;
};

}  // namespace almagest
