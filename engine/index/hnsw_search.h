// Approximate nearest neighbours by a beam search over an HNSW graph, with filters.
// Source: Malkov & Yashunin (arXiv:1603.09320), algorithms 2 and 5; two-hop expansion under a
// restrictive filter after ACORN (Patel et al., SIGMOD 2024, arXiv:2403.04871).
//
// Filtered search. Only rows that count (row_filter.h) are collected. Until the beam is full of
// them, every row met is walked through, best first, whether it counts or not. From then on rows
// that count lead on; rows that do not are walked through at most `beam_width` times more. Where
// fewer than a quarter of the rows met count, the neighbours of those that do not are looked at
// too, so the matches stay connected among themselves.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/index/dense_rows.h"
#include "engine/index/exact_scan.h"
#include "engine/index/hnsw_graph.h"
#include "engine/index/top_k.h"
#include "storage/base/result.h"

namespace almagest {

// What a search did; for metrics and tests.
struct HnswSearchStats {
  uint64_t rows_scored = 0;
  uint64_t rows_expanded = 0;
};

// At most query.k rows that count, score descending, ties by smaller row. `beam_width` [ef] buys
// recall with time; below k it is raised to k. Recall is not guaranteed, the number is: never fewer
// than min(k, rows that count) on a graph made by BuildHnsw for these rows. A row deleted while
// the search runs may still be in the answer. An adjustment also steers the walk.
// `rows` are those that the graph was built from (same count: ALMAGEST_CHECK).
// Errors: kTimeout. Thread-safe; keeps about 4 bytes per row of scratch per thread.
Result<std::vector<ScoredRow>> SearchHnsw(const HnswGraph& graph, const DenseRowsView& rows,
                                          const DenseQuery& query, uint32_t beam_width,
                                          HnswSearchStats* stats = nullptr);

// Whether scanning the `match_count` rows that count is the better plan than walking the graph of
// `row_count` rows: exact, and cheaper or nearly so. O(1).
bool PreferExactScan(uint64_t match_count, uint64_t row_count, uint32_t beam_width);

}  // namespace almagest
