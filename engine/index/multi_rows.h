// Where multi-vectors live: per row of a segment none or several vectors of one dimension, one
// after another. A row without any is absent and never a hit.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "storage/base/result.h"

namespace almagest {

class MultiRows {
 public:
  virtual ~MultiRows() = default;
  uint32_t dimension() const { return dimension_; }
  // The vectors of a row, a whole number of them; empty if it is absent. O(1), thread-safe.
  virtual std::span<const float> Row(uint32_t row) const = 0;
  // Floats of all rows together.
  virtual uint64_t value_count() const = 0;

 protected:
  explicit MultiRows(uint32_t dimension) : dimension_(dimension) {}

 private:
  uint32_t dimension_;
};

// Over two sections of a sealed segment, borrowed: row r has the vectors from offsets[r] up to
// offsets[r + 1]. Offsets that a damaged file may hold are safe: such a row is absent.
class MappedMultiRows final : public MultiRows {
 public:
  // kCorruption if the sizes do not fit `rows` rows.
  static Result<MappedMultiRows> Make(uint32_t dimension, uint32_t rows,
                                      std::span<const uint64_t> offsets,
                                      std::span<const float> values);
  std::span<const float> Row(uint32_t row) const override;
  uint64_t value_count() const override { return values_.size(); }

 private:
  MappedMultiRows(uint32_t dimension, std::span<const uint64_t> offsets,
                  std::span<const float> values)
      : MultiRows(dimension), offsets_(offsets), values_(values) {}
  std::span<const uint64_t> offsets_;
  std::span<const float> values_;
};

// In memory, for a growing segment of at most `capacity` rows. One writer; readers may read the
// rows of which they have learned by synchronising with it (Segment::row_count()).
class GrowingMultiRows final : public MultiRows {
 public:
  GrowingMultiRows(uint32_t dimension, uint32_t capacity);
  // Each row below `capacity` at most once, in any order; others are absent.
  void Set(uint32_t row, std::span<const float> vectors);
  std::span<const float> Row(uint32_t row) const override;
  uint64_t value_count() const override { return values_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    std::unique_ptr<float[]> data;
    size_t size = 0;
  };
  const uint32_t capacity_;
  std::unique_ptr<Entry[]> entries_;
  std::atomic<uint64_t> values_{0};
};

}  // namespace almagest
