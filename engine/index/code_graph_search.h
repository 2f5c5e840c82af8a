// Approximate nearest neighbours by a walk over a code graph (code_graph.h), with filters.
//
// Filtered search. Few matches are scanned. Otherwise the walk keeps two beams: rows that count,
// which are the candidates for the answer, and rows that do not, which are walked through as
// bridges as long as they are better than the worst candidate. Once the candidates' beam is full,
// bridges may cost as much as scanning the matches would. Where the k-th match lies beyond the
// bridges that a walk keeps, nearer ones may lie behind others: then all matches are scanned.
// A node's estimates cover all of its neighbours at once, so looking behind a row that does not
// count costs one visit. The beam is widened, up to four times where few rows count, since the same
// rows are met more often then.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "engine/index/code_graph.h"
#include "engine/index/dense_rows.h"
#include "engine/index/exact_scan.h"
#include "engine/index/top_k.h"
#include "storage/base/result.h"

namespace almagest {

// What a search did; for metrics and tests.
struct CodeSearchStats {
  uint64_t rows_visited = 0;  // Nodes read, by the walk or by a scan.
  bool scanned = false;       // All rows that count were scored instead of walking.
};

// At most query.k rows that count, score descending, ties by smaller row. `beam_width` buys recall
// with time; below k it is raised to k. Never fewer than min(k, rows that count and are present).
// A row deleted while the search runs may still be in the answer. An adjustment also steers the
// walk. query.metric has to be the graph's (ALMAGEST_CHECK).
//
// Scores come from the rows in the nodes: with half-precision rows they are exact to about 1e-3 of
// the lengths. `exact_rows`, the float rows that the graph was built from, may be null; where
// given, the best of the rows visited are scored again from it: `rescored_count` of them, or
// RescoredByDefault (0); the beam is as wide as that at least. kScoreByExactRows: the walk itself
// takes its scores from there.
//
// Errors: kTimeout. Thread-safe; keeps an eighth of a byte per row and 8 bytes per beam width of
// scratch per thread. Cost: about 0.2-0.5 us per row visited, of which there are about
// 0.7 * beam_width.
Result<std::vector<ScoredRow>> SearchCodeGraph(const CodeGraph& graph, const DenseQuery& query,
                                               uint32_t beam_width,
                                               const DenseRowsView* exact_rows = nullptr,
                                               CodeSearchStats* stats = nullptr,
                                               size_t rescored_count = 0);

inline constexpr size_t kScoreByExactRows = std::numeric_limits<size_t>::max();
// A few more than k; three times as many where nodes hold rounded bytes.
size_t RescoredByDefault(const CodeGraph& graph, size_t k);

// The k best of all rows that count, by their rows in the nodes: exact where those are
// (CodeGraph::rows_exact). Order, errors and thread safety as above.
Result<std::vector<ScoredRow>> ScanCodeGraph(const CodeGraph& graph, const DenseQuery& query);

// The beam width for k results, given the one that is right for 10.
uint32_t BeamWidthFor(uint32_t beam_width_for_10, size_t k);

// Whether scoring all of `match_count` rows is no dearer than walking a graph of `row_count` rows
// with that filter. O(1).
bool PreferCodeScan(uint64_t match_count, uint64_t row_count, uint32_t dimension,
                    uint32_t beam_width);

}  // namespace almagest
