// The segment that takes new rows: vectors in memory, scanned. Its content is in storage too, so
// losing it costs nothing but a rebuild.
//
// Once it is full (or versions change) it is frozen: the collection appends to another one and
// the optimizer turns this one into a sealed segment. Nothing here changes by that.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "engine/collection/segment.h"

namespace almagest {

struct GrowingDenseField {
  FieldId id = 0;
  uint32_t dimension = 0;
  VersionId version = 0;  // What the rows are mapped by.
  bool keeps_norms = false;
};
struct GrowingMultiField {
  FieldId id = 0;
  uint32_t dimension = 0;
};

// A row to append; spans are borrowed for the call. A field that is not listed is absent.
struct GrowingRow {
  struct Dense {
    FieldId field;
    std::span<const float> served;
    float norm;  // |W x + b| before normalisation.
  };
  struct Sparse {
    FieldId field;
    SparseView vector;
  };
  struct Multi {
    FieldId field;
    std::span<const float> vectors;
  };
  Slot slot = kNoSlot;
  std::vector<Dense> dense;
  std::vector<Sparse> sparse;
  std::vector<Multi> multi;
};

// Thread safety: one writer (the collection's writer mutex), any number of readers.
class GrowingSegment final : public Segment {
 public:
  GrowingSegment(uint64_t id, std::span<const GrowingDenseField> dense,
                 std::span<const FieldId> sparse, uint32_t capacity,
                 std::span<const GrowingMultiField> multi = {},
                 size_t spare_factor_bytes_max = kSpareFactorBytesMax);

  // row_count() < capacity(). Published whole: readers see all of the row or nothing.
  uint32_t Append(const GrowingRow& row);
  // False if it was already.
  bool MarkDeleted(uint32_t row);

  uint32_t capacity() const { return capacity_; }
  bool full() const { return row_count() >= capacity_; }
  VersionId version(FieldId field) const { return dense_.at(field).spec.version; }

  bool sealed() const override { return false; }
  uint32_t row_count() const override { return count_.load(std::memory_order_acquire); }
  Slot slot_of(uint32_t row) const override { return slots_[row]; }
  const SectionNumbers* sorted_slots() const override { return nullptr; }
  const std::atomic<uint64_t>* deleted_words() const override { return deleted_.words(); }
  uint32_t deleted_count() const override { return deleted_count_.load(std::memory_order_relaxed); }
  std::optional<DenseField> dense(FieldId field) const override;
  const SparseIndex* sparse(FieldId) const override { return nullptr; }
  const GrowingSparseIndex* growing_sparse(FieldId field) const override;
  const MultiRows* multi(FieldId field) const override;
  // Of multi-vectors, whose rows have no size in common: what bounds the segment besides
  // capacity().
  uint64_t multi_bytes() const;
  uint64_t bytes_on_disk() const override { return 0; }
  uint64_t bytes_in_memory() const override;

 private:
  struct Dense {
    GrowingDenseField spec;
    std::unique_ptr<GrowingRows> rows;
    std::unique_ptr<float[]> norms;  // `capacity` of them, if kept.
    std::atomic<uint32_t> present{0};
  };

  const uint32_t capacity_;
  std::atomic<uint32_t> count_{0};
  std::unique_ptr<Slot[]> slots_;  // Not touched (so not backed) beyond count_.
  AtomicBitmap deleted_;
  std::atomic<uint32_t> deleted_count_{0};
  std::map<FieldId, Dense> dense_;
  std::map<FieldId, GrowingSparseIndex> sparse_;
  std::map<FieldId, GrowingMultiRows> multi_;
};

}  // namespace almagest
