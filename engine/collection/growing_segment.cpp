#include "engine/collection/growing_segment.h"

#include <algorithm>

#include "storage/base/check.h"

namespace almagest {

GrowingSegment::GrowingSegment(uint64_t id, std::span<const GrowingDenseField> dense,
                               std::span<const FieldId> sparse, uint32_t capacity,
                               std::span<const GrowingMultiField> multi,
                               size_t spare_factor_bytes_max)
    : Segment(id, spare_factor_bytes_max),
      capacity_(capacity),
      slots_(new Slot[capacity]),
      deleted_(capacity) {
  ALMAGEST_CHECK(capacity > 0);
  for (const GrowingDenseField& spec : dense) {
    Dense& field = dense_[spec.id];
    field.spec = spec;
    field.rows = std::make_unique<GrowingRows>(spec.dimension);
    if (spec.keeps_norms) field.norms.reset(new float[capacity]);
  }
  for (const FieldId field : sparse) sparse_[field];
  for (const GrowingMultiField& spec : multi) multi_.try_emplace(spec.id, spec.dimension, capacity);
}

uint32_t GrowingSegment::Append(const GrowingRow& row) {
  const uint32_t number = count_.load(std::memory_order_relaxed);
  ALMAGEST_CHECK(number < capacity_);
  for (auto& [id, field] : dense_) {
    const auto given = std::ranges::find(row.dense, id, &GrowingRow::Dense::field);
    const bool present = given != row.dense.end();
    if (field.norms) field.norms[number] = present ? given->norm : 0.0f;
    const uint32_t appended =
        field.rows->Append(present ? given->served : std::span<const float>());
    ALMAGEST_CHECK(appended == number);
    if (present) field.present.fetch_add(1, std::memory_order_release);
  }
  for (const GrowingRow::Sparse& given : row.sparse) {
    ALMAGEST_CHECK(sparse_.at(given.field).Append(number, given.vector).has_value());
  }
  for (const GrowingRow::Multi& given : row.multi)
    multi_.at(given.field).Set(number, given.vectors);
  slots_[number] = row.slot;
  count_.store(number + 1, std::memory_order_release);
  return number;
}

bool GrowingSegment::MarkDeleted(uint32_t row) {
  if (!deleted_.Set(row)) return false;
  deleted_count_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

std::optional<Segment::DenseField> GrowingSegment::dense(FieldId field) const {
  const auto found = dense_.find(field);
  if (found == dense_.end() || found->second.present.load(std::memory_order_acquire) == 0) {
    return std::nullopt;
  }
  DenseField dense;
  dense.version = found->second.spec.version;
  dense.growing_rows = found->second.rows.get();
  dense.norms = found->second.norms.get();
  return dense;
}

const GrowingSparseIndex* GrowingSegment::growing_sparse(FieldId field) const {
  const auto found = sparse_.find(field);
  return found == sparse_.end() ? nullptr : &found->second;
}

const MultiRows* GrowingSegment::multi(FieldId field) const {
  const auto found = multi_.find(field);
  return found == multi_.end() || found->second.value_count() == 0 ? nullptr : &found->second;
}

uint64_t GrowingSegment::multi_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [id, rows] : multi_) bytes += rows.value_count() * sizeof(float);
  return bytes;
}

uint64_t GrowingSegment::bytes_in_memory() const {
  const uint64_t rows = row_count();
  uint64_t bytes = rows * sizeof(Slot) + deleted_.word_count() * 8;
  for (const auto& [id, field] : dense_) {
    bytes += rows * (field.spec.dimension + (field.norms ? 1 : 0)) * sizeof(float);
  }
  for (const auto& [id, index] : sparse_) bytes += index.posting_count() * 8;
  return bytes + multi_bytes();
}

}  // namespace almagest
