#include "engine/index/code_graph_search.h"

#include <algorithm>

#include "engine/index/code_graph_walk.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

constexpr uint32_t kScanPrefetch = 8;
constexpr uint64_t kRowsBetweenCancelChecks = 4096;

Result<std::vector<ScoredRow>> Cancelled() {
  return Fail(ErrorCode::kTimeout, "the search was stopped or passed its deadline");
}

// In nanoseconds, measured: to score a row of the matches, and to visit a node.
uint64_t ScanCost(uint32_t dimension) { return 10 + dimension / 10; }
uint64_t VisitCost(uint32_t dimension) { return 150 + dimension / 4; }

// Every row that counts, scored in its node.
bool ScanNodes(const CodeGraph& graph, const DenseQuery& query, const CodeWalk& walk, TopK& best,
               CodeSearchStats& stats) {
  const uint32_t limit = std::min(query.filter.row_limit, graph.row_count());
  std::vector<uint32_t> rows;
  uint64_t checked = 0;
  for (uint32_t word = 0; word < BitmapWords(limit); ++word) {
    rows.clear();
    for (uint64_t bits = query.filter.Word(word, limit); bits != 0; bits &= bits - 1) {
      const uint32_t row = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
      if (graph.Present(row)) rows.push_back(row);
    }
    const size_t row_bytes = graph.layout().node_bytes - graph.layout().row;
    for (size_t i = 0; i < rows.size(); ++i) {
      if (i + kScanPrefetch < rows.size()) {
        const std::byte* next = graph.Node(rows[i + kScanPrefetch]) + graph.layout().row;
        for (size_t at = 0; at < std::min<size_t>(row_bytes, 512); at += 64) {
          __builtin_prefetch(next + at);
        }
      }
      const float score = walk.Score(rows[i]);
      best.Push(rows[i],
                query.adjustment.active() ? query.adjustment.Apply(rows[i], score) : score);
    }
    stats.rows_visited += rows.size();
    checked += rows.size() + 1;
    if (checked >= kRowsBetweenCancelChecks) {
      if (query.cancel.Expired()) return false;
      checked = 0;
    }
  }
  stats.scanned = true;
  return true;
}

}  // namespace

bool PreferCodeScan(uint64_t match_count, uint64_t row_count, uint32_t dimension,
                    uint32_t beam_width) {
  if (match_count == 0) return true;
  // A walk reads up to 5 nodes per candidate where few rows count. The scan is exact: instead of a
  // filtered walk it may cost up to 3 times as much.
  const uint64_t spread = std::clamp<uint64_t>(row_count / match_count, 1, 5);
  const uint64_t worth = match_count < row_count ? 3 : 1;
  return match_count * ScanCost(dimension) <= worth * beam_width * VisitCost(dimension) * spread;
}

Result<std::vector<ScoredRow>> SearchCodeGraph(const CodeGraph& graph, const DenseQuery& query,
                                               uint32_t beam_width, const DenseRowsView* exact_rows,
                                               CodeSearchStats* stats) {
  ALMAGEST_CHECK(graph.row_count() == 0 || query.metric == graph.metric());
  ALMAGEST_CHECK(!query.adjustment.active() || query.metric == Metric::kDot);
  CodeSearchStats local;
  CodeSearchStats& counts = stats != nullptr ? *stats : local;
  counts = {};
  if (graph.row_count() == 0 || query.k == 0) return std::vector<ScoredRow>{};
  const bool filtered = query.filter.deleted_words != nullptr ||
                        query.filter.allowed_words != nullptr ||
                        query.filter.row_limit < graph.row_count();
  const uint64_t matches =
      filtered ? query.filter.CountMatches(graph.row_count()) : graph.row_count();
  if (matches == 0) return std::vector<ScoredRow>{};

  thread_local CodeWalkScratch scratch;
  const size_t k = std::min<size_t>(query.k, matches);
  size_t beam = std::max<size_t>(beam_width, k);
  // The fewer rows count, the more often the same ones are met: up to 4 times the beam.
  if (filtered) beam += 3 * beam * (graph.row_count() - matches) / graph.row_count();
  CodeWalk walk(graph, query.query, nullptr, scratch);
  const size_t kept = exact_rows != nullptr ? std::min<uint64_t>(k + k / 4 + 2, matches) : k;
  std::vector<ScoredRow> found;
  // Bridges may cost as much as the scan that the walk replaces.
  const size_t bridges =
      filtered ? matches * ScanCost(graph.meta().dimension) / VisitCost(graph.meta().dimension) : 0;
  bool scan = PreferCodeScan(matches, graph.row_count(), graph.meta().dimension,
                             static_cast<uint32_t>(beam));
  // Repeated candidates, or matches far apart, may leave a narrow beam with fewer than k rows.
  constexpr size_t kWidenings = 3;
  for (size_t attempt = 0; !scan && found.size() < k; ++attempt, beam *= 2) {
    if (!walk.Walk(beam, filtered ? &query.filter : nullptr, bridges, query.adjustment,
                   query.cancel)) {
      return Cancelled();
    }
    counts.rows_visited += walk.rows_visited();
    std::vector<ScoredRow>& scored = scratch.scored;
    const auto middle = scored.begin() + static_cast<ptrdiff_t>(std::min(kept, scored.size()));
    std::partial_sort(scored.begin(), middle, scored.end(), ComesBefore);
    found.assign(scored.begin(), middle);
    scan = found.size() < k && attempt == kWidenings;
  }
  if (scan) {
    TopK best(kept);
    if (!ScanNodes(graph, query, walk, best, counts)) return Cancelled();
    found = best.Take();
  }
  if (exact_rows != nullptr) {
    ALMAGEST_CHECK(exact_rows->count == graph.row_count());
    const RowScorer scorer(*exact_rows, query.metric, query.query, query.adjustment);
    for (ScoredRow& row : found) row.score = scorer.Score(row.row);
    std::sort(found.begin(), found.end(), ComesBefore);
  }
  if (found.size() > query.k) found.resize(query.k);
  return found;
}

}  // namespace almagest
