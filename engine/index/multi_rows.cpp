#include "engine/index/multi_rows.h"

#include <algorithm>
#include <string>

#include "storage/base/check.h"

namespace almagest {

Result<MappedMultiRows> MappedMultiRows::Make(uint32_t dimension, uint32_t rows,
                                              std::span<const uint64_t> offsets,
                                              std::span<const float> values) {
  if (dimension == 0 || offsets.size() != size_t{rows} + 1 || values.size() % dimension != 0) {
    return Fail(ErrorCode::kCorruption, "the sections of a multi-vector hold " +
                                            std::to_string(offsets.size()) + " offsets and " +
                                            std::to_string(values.size()) + " values, which " +
                                            std::to_string(rows) + " rows cannot have");
  }
  return MappedMultiRows(dimension, offsets, values);
}

std::span<const float> MappedMultiRows::Row(uint32_t row) const {
  if (size_t{row} + 1 >= offsets_.size()) return {};
  const uint64_t first = offsets_[row];
  const uint64_t last = offsets_[row + 1];
  if (first > last || last > values_.size() / dimension()) return {};
  return values_.subspan(first * dimension(), (last - first) * dimension());
}

GrowingMultiRows::GrowingMultiRows(uint32_t dimension, uint32_t capacity)
    : MultiRows(dimension), capacity_(capacity), entries_(new Entry[capacity]) {}

void GrowingMultiRows::Set(uint32_t row, std::span<const float> vectors) {
  ALMAGEST_CHECK(row < capacity_ && entries_[row].size == 0 && vectors.size() % dimension() == 0);
  Entry& entry = entries_[row];
  entry.data.reset(new float[vectors.size()]);
  std::ranges::copy(vectors, entry.data.get());
  entry.size = vectors.size();
  values_.fetch_add(vectors.size(), std::memory_order_relaxed);
}

std::span<const float> GrowingMultiRows::Row(uint32_t row) const {
  if (row >= capacity_) return {};
  return {entries_[row].data.get(), entries_[row].size};
}

}  // namespace almagest
