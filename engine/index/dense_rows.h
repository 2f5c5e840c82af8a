// Where dense vectors live: float32 rows of one dimension, addressed by row number. A row may be
// absent (its point lacks this vector); an absent row is never a hit and never read.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

#include "engine/index/distance.h"
#include "engine/index/score_adjustment.h"
#include "storage/base/result.h"

namespace almagest {

// Contiguous rows, usually mapped from a file; borrowed. Row r starts at data + r * stride.
struct DenseRowsView {
  const float* data = nullptr;
  uint32_t count = 0;
  uint32_t dimension = 0;
  size_t stride = 0;                        // In floats, >= dimension.
  const uint64_t* present_words = nullptr;  // Bit per row; null: all are present.

  // Over the raw bytes of a section: rows without gaps. `present` may be empty (all present).
  // kCorruption if the sizes do not fit `count` rows of `dimension`.
  static Result<DenseRowsView> FromBytes(std::span<const std::byte> rows, uint32_t count,
                                         uint32_t dimension,
                                         std::span<const std::byte> present = {});

  bool Present(uint32_t row) const {
    return present_words == nullptr || ((present_words[row / 64] >> (row % 64)) & 1) != 0;
  }
  const float* Row(uint32_t row) const { return data + row * stride; }
};

// One query against the rows of one view, any metric, with the adjustment applied. Borrows all of
// its inputs. Thread-safe.
class RowScorer {
 public:
  RowScorer(const DenseRowsView& rows, Metric metric, const float* query,
            const ScoreAdjustment& adjustment = {});

  float Score(uint32_t row) const {
    return Adjusted(row, kernels_->pair(query_, rows_.Row(row), rows_.dimension));
  }
  // scores[i] of rows[i]; rows present and < count. The fast way: one dispatch per batch.
  void Score(std::span<const uint32_t> rows, float* scores) const;

 private:
  float Adjusted(uint32_t row, float score) const {
    return adjusted_ ? adjustment_.Apply(row, score) : score;
  }

  DenseRowsView rows_;
  const DistanceKernels* kernels_;
  const float* query_;
  ScoreAdjustment adjustment_;
  bool adjusted_;
};

// Append-only rows in memory for a growing segment. Addresses are stable: row blocks double in
// size and are never moved.
// Thread safety: one writer at a time; any number of readers at any time. A reader that has seen
// count() may read every row below it.
class GrowingRows {
 public:
  explicit GrowingRows(uint32_t dimension);  // 1 or more.
  ~GrowingRows();
  GrowingRows(const GrowingRows&) = delete;
  GrowingRows& operator=(const GrowingRows&) = delete;

  // Appends a row of `dimension` floats, or an absent one if `row` is empty, and publishes it.
  // Returns its number. Any other length is a broken invariant.
  uint32_t Append(std::span<const float> row);

  uint32_t count() const { return count_.load(std::memory_order_acquire); }
  uint32_t dimension() const { return dimension_; }
  // row < count(). Null if absent.
  const float* Row(uint32_t row) const;
  // Bytes reserved for rows; the operating system backs only those touched.
  size_t ReservedBytes() const;

  // The published rows of one block: row `first` + i is at data + i * dimension. Empty from the
  // block on that begins at or after `rows_published`, a count() seen before.
  struct Block {
    uint32_t first = 0;  // A multiple of 64.
    uint32_t count = 0;
    const float* data = nullptr;
    const std::atomic<uint64_t>* present_words = nullptr;  // Bit i: row first + i is present.
  };
  Block BlockRows(size_t block, uint32_t rows_published) const;
  static constexpr size_t kFirstBlockRows = 1024;
  static constexpr size_t kBlocks = 23;  // Together more rows than a uint32_t counts.

 private:
  struct Storage {
    float* rows = nullptr;
    std::atomic<uint64_t>* present = nullptr;
  };
  static constexpr size_t BlockCapacity(size_t block) { return kFirstBlockRows << block; }
  static constexpr size_t BlockFirst(size_t block) {
    return kFirstBlockRows * ((size_t{1} << block) - 1);
  }
  static size_t BlockOf(uint32_t row);

  uint32_t dimension_;
  std::array<Storage, kBlocks> blocks_;  // Written before count_ is released; read after acquire.
  std::atomic<uint32_t> count_{0};
};

}  // namespace almagest
