// Brute force over multi-vectors: the exact k best rows by MaxSim. The only search there is for
// them; where it is meant to be quick, `candidates` are what a cheaper search found before.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/index/max_sim.h"
#include "engine/index/multi_rows.h"
#include "engine/index/row_filter.h"
#include "engine/index/top_k.h"
#include "storage/base/result.h"

namespace almagest {

struct MultiQuery {
  const MaxSim* query = nullptr;  // Borrowed.
  size_t k = 10;
  RowFilter filter;
  CancelCheck cancel;  // Asked about every 16 million multiply-adds.
};

// At most k rows below `row_count` that count and are present, score descending, ties by smaller
// row; kTimeout if cancelled. Thread-safe. Cost: one MaxSim per row that counts.
Result<std::vector<ScoredRow>> ScanMultiRows(const MultiRows& rows, uint32_t row_count,
                                             const MultiQuery& query);
// The same of `candidates`: rows in any order, without repeats. Touches no others.
Result<std::vector<ScoredRow>> ScanMultiRows(const MultiRows& rows, uint32_t row_count,
                                             const MultiQuery& query,
                                             std::span<const uint32_t> candidates);

}  // namespace almagest
