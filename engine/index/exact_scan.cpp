#include "engine/index/exact_scan.h"

#include <algorithm>
#include <array>
#include <bit>

#include "storage/base/check.h"

namespace almagest {
namespace {

constexpr size_t kBatchRows = 256;
constexpr size_t kRowsBetweenCancelChecks = 4096;

tl::unexpected<Error> Cancelled() {
  return Fail(ErrorCode::kTimeout, "the search was stopped or passed its deadline");
}

// Scores rows of one stretch of memory in batches and keeps the best.
class BatchScan {
 public:
  explicit BatchScan(const DenseQuery& query)
      : query_(query),
        kernels_(KernelsFor(query.metric)),
        adjusted_(query.adjustment.active()),
        top_(query.k) {
    ALMAGEST_CHECK(!adjusted_ || query.metric == Metric::kDot);
  }

  // Row first + i lies at data + i * stride. Pending rows of another stretch are scored first.
  void SetStretch(const float* data, size_t stride, size_t dimension, uint32_t first) {
    Flush();
    data_ = data;
    stride_ = stride;
    dimension_ = dimension;
    first_ = first;
  }
  void Add(uint32_t local_row) {
    pending_[count_++] = local_row;
    if (count_ == kBatchRows) Flush();
  }
  // True if the search has to stop.
  bool Expired() {
    if (since_check_ < kRowsBetweenCancelChecks) return false;
    since_check_ = 0;
    return query_.cancel.Expired();
  }
  std::vector<ScoredRow> Take() {
    Flush();
    return top_.Take();
  }

 private:
  void Flush() {
    kernels_.rows(query_.query, data_, stride_, dimension_, pending_.data(), count_,
                  scores_.data());
    float threshold = top_.threshold();
    for (size_t i = 0; i < count_; ++i) {
      const uint32_t row = first_ + pending_[i];
      const float score = adjusted_ ? query_.adjustment.Apply(row, scores_[i]) : scores_[i];
      if (score < threshold) continue;
      if (top_.Push(row, score)) threshold = top_.threshold();
    }
    since_check_ += count_;
    count_ = 0;
  }

  const DenseQuery& query_;
  const DistanceKernels& kernels_;
  bool adjusted_;
  TopK top_;
  const float* data_ = nullptr;
  size_t stride_ = 0;
  size_t dimension_ = 0;
  uint32_t first_ = 0;
  size_t count_ = 0;
  size_t since_check_ = 0;
  std::array<uint32_t, kBatchRows> pending_;
  std::array<float, kBatchRows> scores_;
};

// Adds every row of the word that is set. False if cancelled.
bool AddWord(BatchScan& scan, uint64_t bits, uint32_t local_first) {
  while (bits != 0) {
    scan.Add(local_first + static_cast<uint32_t>(std::countr_zero(bits)));
    bits &= bits - 1;
  }
  return !scan.Expired();
}

}  // namespace

Result<std::vector<ScoredRow>> ExactScan(const DenseRowsView& rows, const DenseQuery& query) {
  if (query.cancel.Expired()) return Cancelled();
  BatchScan scan(query);
  scan.SetStretch(rows.data, rows.stride, rows.dimension, 0);
  const uint32_t limit = std::min(rows.count, query.filter.row_limit);
  for (size_t word = 0; word < BitmapWords(limit); ++word) {
    uint64_t bits = query.filter.Word(word, limit);
    if (rows.present_words != nullptr) bits &= rows.present_words[word];
    if (!AddWord(scan, bits, static_cast<uint32_t>(word * 64))) return Cancelled();
  }
  return scan.Take();
}

Result<std::vector<ScoredRow>> ExactScan(const GrowingRows& rows, const DenseQuery& query) {
  if (query.cancel.Expired()) return Cancelled();
  BatchScan scan(query);
  const uint32_t limit = std::min(rows.count(), query.filter.row_limit);
  for (size_t b = 0; b < GrowingRows::kBlocks; ++b) {
    const GrowingRows::Block block = rows.BlockRows(b, limit);
    if (block.count == 0) break;
    scan.SetStretch(block.data, rows.dimension(), rows.dimension(), block.first);
    for (size_t word = 0; word < BitmapWords(block.count); ++word) {
      const uint64_t bits = query.filter.Word(block.first / 64 + word, limit) &
                            block.present_words[word].load(std::memory_order_relaxed);
      if (!AddWord(scan, bits, static_cast<uint32_t>(word * 64))) return Cancelled();
    }
  }
  return scan.Take();
}

Result<std::vector<ScoredRow>> ExactScanRows(const DenseRowsView& rows, const DenseQuery& query,
                                             std::span<const uint32_t> candidates) {
  if (query.cancel.Expired()) return Cancelled();
  BatchScan scan(query);
  scan.SetStretch(rows.data, rows.stride, rows.dimension, 0);
  for (const uint32_t row : candidates) {
    ALMAGEST_CHECK(row < rows.count);
    if (!query.filter.Counts(row) || !rows.Present(row)) continue;
    scan.Add(row);
    if (scan.Expired()) return Cancelled();
  }
  return scan.Take();
}

}  // namespace almagest
