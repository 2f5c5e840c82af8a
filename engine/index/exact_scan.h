// Brute force: the exact k best rows. For growing segments, narrow filters, and as the oracle that
// approximate search is measured against.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/index/dense_rows.h"
#include "engine/index/distance.h"
#include "engine/index/row_filter.h"
#include "engine/index/score_adjustment.h"
#include "engine/index/top_k.h"
#include "storage/base/result.h"

namespace almagest {

// What every dense search needs. `query` points to `dimension` finite floats, borrowed.
struct DenseQuery {
  Metric metric = Metric::kDot;
  const float* query = nullptr;
  size_t k = 10;
  RowFilter filter;
  ScoreAdjustment adjustment;
  CancelCheck cancel;  // Asked about every 4,096 rows scored.
  // How many rows count, where the caller knows it without looking: spares graph searches a pass
  // over the filter's bitmaps. May be out of date by rows deleted meanwhile.
  std::optional<size_t> match_count;
};

// Each returns at most k rows that count and are present, score descending, ties by smaller row;
// kTimeout if cancelled. Exact: the same as sorting all scores. Thread-safe.
// Cost: one distance per row that counts, about memory bandwidth; O(k) memory.
Result<std::vector<ScoredRow>> ExactScan(const DenseRowsView& rows, const DenseQuery& query);

// The rows published when the call began (further limited by filter.row_limit).
Result<std::vector<ScoredRow>> ExactScan(const GrowingRows& rows, const DenseQuery& query);

// Only `candidates`: rows < count, in any order, without repeats. Those that do not count or are
// absent are skipped.
Result<std::vector<ScoredRow>> ExactScanRows(const DenseRowsView& rows, const DenseQuery& query,
                                             std::span<const uint32_t> candidates);

}  // namespace almagest
