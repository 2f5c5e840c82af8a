#include "engine/index/dense_rows.h"

#include <bit>
#include <cstring>
#include <limits>

#include "engine/index/row_filter.h"
#include "storage/base/check.h"

namespace almagest {
namespace {
constexpr std::align_val_t kRowAlignment{64};
}  // namespace

Result<DenseRowsView> DenseRowsView::FromBytes(std::span<const std::byte> rows, uint32_t count,
                                               uint32_t dimension,
                                               std::span<const std::byte> present) {
  const uint64_t expected = uint64_t{count} * dimension * sizeof(float);
  if (rows.size() != expected || dimension == 0) {
    return Fail(ErrorCode::kCorruption, "a row section holds " + std::to_string(rows.size()) +
                                            " bytes, but " + std::to_string(count) +
                                            " rows of dimension " + std::to_string(dimension) +
                                            " need " + std::to_string(expected));
  }
  if (!present.empty() && present.size() != BitmapWords(count) * sizeof(uint64_t)) {
    return Fail(ErrorCode::kCorruption, "a presence bitmap holds " +
                                            std::to_string(present.size()) + " bytes for " +
                                            std::to_string(count) + " rows");
  }
  if (reinterpret_cast<uintptr_t>(rows.data()) % alignof(float) != 0 ||
      reinterpret_cast<uintptr_t>(present.data()) % alignof(uint64_t) != 0) {
    return Fail(ErrorCode::kCorruption, "a row section is not aligned");
  }
  DenseRowsView view;
  view.data = reinterpret_cast<const float*>(rows.data());
  view.count = count;
  view.dimension = dimension;
  view.stride = dimension;
  if (!present.empty()) view.present_words = reinterpret_cast<const uint64_t*>(present.data());
  return view;
}

RowScorer::RowScorer(const DenseRowsView& rows, Metric metric, const float* query,
                     const ScoreAdjustment& adjustment)
    : rows_(rows),
      kernels_(&KernelsFor(metric)),
      query_(query),
      adjustment_(adjustment),
      adjusted_(adjustment.active()) {
  ALMAGEST_CHECK(!adjusted_ || metric == Metric::kDot);
}

void RowScorer::Score(std::span<const uint32_t> rows, float* scores) const {
  kernels_->rows(query_, rows_.data, rows_.stride, rows_.dimension, rows.data(), rows.size(),
                 scores);
  if (!adjusted_) return;
  for (size_t i = 0; i < rows.size(); ++i) scores[i] = adjustment_.Apply(rows[i], scores[i]);
}

GrowingRows::GrowingRows(uint32_t dimension) : dimension_(dimension) {
  ALMAGEST_CHECK(dimension > 0);
}

GrowingRows::~GrowingRows() {
  for (Storage& block : blocks_) {
    ::operator delete[](block.rows, kRowAlignment);
    delete[] block.present;
  }
}

size_t GrowingRows::BlockOf(uint32_t row) {
  return static_cast<size_t>(std::bit_width(uint64_t{row} / kFirstBlockRows + 1)) - 1;
}

uint32_t GrowingRows::Append(std::span<const float> row) {
  ALMAGEST_CHECK(row.empty() || row.size() == dimension_);
  const uint32_t number = count_.load(std::memory_order_relaxed);
  ALMAGEST_CHECK(number < std::numeric_limits<uint32_t>::max());
  const size_t b = BlockOf(number);
  Storage& block = blocks_[b];
  if (block.rows == nullptr) {
    const size_t floats = BlockCapacity(b) * dimension_;
    block.rows = static_cast<float*>(::operator new[](floats * sizeof(float), kRowAlignment));
    block.present = new std::atomic<uint64_t>[BlockCapacity(b) / 64]();
  }
  const size_t index = number - BlockFirst(b);
  if (!row.empty()) {
    std::memcpy(block.rows + index * dimension_, row.data(), dimension_ * sizeof(float));
    block.present[index / 64].fetch_or(uint64_t{1} << (index % 64), std::memory_order_relaxed);
  }
  count_.store(number + 1, std::memory_order_release);
  return number;
}

const float* GrowingRows::Row(uint32_t row) const {
  ALMAGEST_CHECK(row < count());
  const size_t b = BlockOf(row);
  const size_t index = row - BlockFirst(b);
  const uint64_t word = blocks_[b].present[index / 64].load(std::memory_order_relaxed);
  if (((word >> (index % 64)) & 1) == 0) return nullptr;
  return blocks_[b].rows + index * dimension_;
}

size_t GrowingRows::ReservedBytes() const {
  const uint32_t rows = count();
  if (rows == 0) return 0;
  const size_t blocks = BlockOf(rows - 1) + 1;
  return BlockFirst(blocks) * (dimension_ * sizeof(float)) + BlockFirst(blocks) / 8;
}

GrowingRows::Block GrowingRows::BlockRows(size_t block, uint32_t rows_published) const {
  if (block >= kBlocks || BlockFirst(block) >= rows_published) return {};
  Block result;
  result.first = static_cast<uint32_t>(BlockFirst(block));
  result.count = static_cast<uint32_t>(
      std::min<size_t>(BlockCapacity(block), rows_published - BlockFirst(block)));
  result.data = blocks_[block].rows;
  result.present_words = blocks_[block].present;
  return result;
}

}  // namespace almagest
