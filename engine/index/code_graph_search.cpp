#include "engine/index/code_graph_search.h"

#include <algorithm>

#include "engine/index/code_graph_walk.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

constexpr uint32_t kScanPrefetch = 8;
constexpr uint64_t kRowsBetweenCancelChecks = 4096;
constexpr size_t kRescoredBeamMax = 65'536;

Result<std::vector<ScoredRow>> Cancelled() {
  return Fail(ErrorCode::kTimeout, "the search was stopped or passed its deadline");
}

// As an object, which sorting takes in: a function would be called by its address.
constexpr auto kComesBefore = [](const ScoredRow& a, const ScoredRow& b) {
  return ComesBefore(a, b);
};

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

uint32_t BeamWidthFor(uint32_t beam_width_for_10, size_t k) {
  constexpr size_t kOften = 10;
  if (k <= kOften) return beam_width_for_10;
  return static_cast<uint32_t>(
      std::min<size_t>(beam_width_for_10 + (k - kOften) * 3 / 2, kRescoredBeamMax));
}

size_t RescoredByDefault(const CodeGraph& graph, size_t k) {
  const bool bytes = graph.meta().row_format == CodeRowFormat::kByte;
  return bytes ? 3 * k : k + k / 4 + 2;
}

Result<std::vector<ScoredRow>> ScanCodeGraph(const CodeGraph& graph, const DenseQuery& query) {
  ALMAGEST_CHECK(graph.row_count() == 0 || query.metric == graph.metric());
  ALMAGEST_CHECK(!query.adjustment.active() || query.metric == Metric::kDot);
  if (graph.row_count() == 0) return std::vector<ScoredRow>{};
  thread_local CodeWalkScratch scratch;
  const CodeWalk walk(graph, query.query, nullptr, scratch);
  TopK best(query.k);
  CodeSearchStats counts;
  if (!ScanNodes(graph, query, walk, best, counts)) return Cancelled();
  return best.Take();
}

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
                                               CodeSearchStats* stats, size_t rescored_count) {
  ALMAGEST_CHECK(graph.row_count() == 0 || query.metric == graph.metric());
  ALMAGEST_CHECK(!query.adjustment.active() || query.metric == Metric::kDot);
  CodeSearchStats local;
  CodeSearchStats& counts = stats != nullptr ? *stats : local;
  counts = {};
  if (graph.row_count() == 0 || query.k == 0) return std::vector<ScoredRow>{};
  const bool filtered = query.filter.deleted_words != nullptr ||
                        query.filter.allowed_words != nullptr ||
                        query.filter.row_limit < graph.row_count();
  uint64_t matches = graph.row_count();
  if (filtered) {
    matches = query.match_count ? *query.match_count : query.filter.CountMatches(matches);
  }
  if (matches == 0) return std::vector<ScoredRow>{};

  thread_local CodeWalkScratch scratch;
  const size_t k = std::min<size_t>(query.k, matches);
  size_t kept = k;
  if (exact_rows != nullptr) {
    size_t wanted = rescored_count == 0 ? RescoredByDefault(graph, k) : rescored_count;
    if (rescored_count == kScoreByExactRows) wanted = k;
    kept = std::min<size_t>(std::max(wanted, k), matches);
  }
  // However many rows the caller would like rescored, no walk looks for more than so many.
  const size_t kept_by_walk = std::min(kept, kRescoredBeamMax);
  size_t beam = std::max<size_t>({beam_width, k, exact_rows != nullptr ? kept_by_walk : 0});
  // The fewer rows count, the more often the same ones are met: up to 4 times the beam. A few rows
  // deleted here and there make next to no difference.
  if (filtered) {
    const double others = 1.0 - static_cast<double>(matches) / graph.row_count();
    const bool deleted_only = query.filter.allowed_words == nullptr;
    const double share = deleted_only ? others * others * others : others;
    beam += static_cast<size_t>(3.0 * share * static_cast<double>(beam));
  }
  CodeWalk walk(graph, query.query, nullptr, scratch);
  if (rescored_count == kScoreByExactRows) walk.ScoreBy(exact_rows);
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
    std::partial_sort(scored.begin(), middle, scored.end(), kComesBefore);
    found.assign(scored.begin(), middle);
    // Where what matches lies away from the query, there are more rows in between than a walk keeps
    // as bridges: it has found the matches that it met, and not the nearest.
    const bool behind =
        filtered && found.size() >= k && found[k - 1].score < walk.bridged_down_to();
    scan = behind || (found.size() < k && attempt == kWidenings);
  }
  if (scan) {
    TopK best(kept);
    if (!ScanNodes(graph, query, walk, best, counts)) return Cancelled();
    found = best.Take();
  }
  if (exact_rows != nullptr) {
    ALMAGEST_CHECK(exact_rows->count == graph.row_count());
    // They may lie in memory that was not read for long: asked for together they wait together.
    const size_t row_bytes = std::min<size_t>(size_t{exact_rows->dimension} * 4, 4096);
    for (const ScoredRow& row : found) {
      const auto* bytes = reinterpret_cast<const std::byte*>(exact_rows->Row(row.row));
      for (size_t at = 0; at < row_bytes; at += 64) __builtin_prefetch(bytes + at);
    }
    const RowScorer scorer(*exact_rows, query.metric, query.query, query.adjustment);
    for (ScoredRow& row : found) row.score = scorer.Score(row.row);
    std::sort(found.begin(), found.end(), kComesBefore);
  }
  if (found.size() > query.k) found.resize(query.k);
  return found;
}

}  // namespace almagest
