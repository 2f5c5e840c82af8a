#include "engine/index/code_graph_tune.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "engine/index/code_graph_search.h"
#include "engine/index/code_graph_walk.h"
#include "engine/index/exact_scan.h"
#include "storage/base/checksum.h"

namespace almagest {
namespace {

constexpr uint32_t kLadder[] = {16,  20,  24,  28,  32,  36,  40,  48,  56,  64,  72,  80,
                                88,  96,  104, 112, 120, 128, 144, 160, 176, 192, 224, 256,
                                288, 320, 384, 448, 512, 576, 640, 704, 768, 896, 1024};
constexpr size_t kNeighbours = 10;
constexpr double kNearEnough = 0.002;
// Products that the exact scans may take together: large segments get by with fewer queries.
constexpr double kScanProductsMax = 2e10;
constexpr uint32_t kQueriesMin = 48;
constexpr double kProductsBetweenAsking = 2e7;
constexpr double kProductsPerVisit = 2000;

// Of the sample: the average, and that less its standard error.
struct SampleRecall {
  double mean = 0.0;
  double low = 0.0;
};

struct SampleQuery {
  uint32_t row = 0;
  std::vector<ScoredRow> nearest;  // Exact, without the row itself.
};

std::vector<uint32_t> SampleRows(const DenseRowsView& rows, const BeamTuningOptions& options) {
  const double affordable = kScanProductsMax / static_cast<double>(rows.count) / rows.dimension;
  const auto wanted = std::min(
      options.queries, std::max(kQueriesMin, static_cast<uint32_t>(std::min(affordable, 1e6))));
  std::vector<uint32_t> sample;
  for (uint64_t attempt = 0; sample.size() < wanted && attempt < uint64_t{wanted} * 4; ++attempt) {
    const auto row = static_cast<uint32_t>(Mix64(options.seed ^ Mix64(attempt)) % rows.count);
    if (rows.Present(row)) sample.push_back(row);
  }
  return sample;
}

// How many of the row's nearest the walk finds; rows as near as the last of them count.
size_t Found(const CodeGraph& graph, const DenseRowsView& rows, const SampleQuery& query,
             uint32_t beam_width, bool rescored, CodeWalkScratch& scratch) {
  CodeWalk walk(graph, rows.Row(query.row), nullptr, scratch);
  walk.Exclude(query.row);
  walk.Walk(beam_width, nullptr, 0, {}, {});
  std::vector<ScoredRow>& scored = scratch.scored;
  const RowScorer scorer(rows, graph.metric(), rows.Row(query.row));
  const size_t kept =
      std::min(scored.size(), rescored ? RescoredByDefault(graph, kNeighbours) : kNeighbours);
  std::partial_sort(scored.begin(), scored.begin() + static_cast<ptrdiff_t>(kept), scored.end(),
                    ComesBefore);
  const float least = query.nearest.back().score;
  size_t found = 0;
  for (size_t i = 0; i < kept; ++i) found += scorer.Score(scored[i].row) >= least ? 1 : 0;
  return std::min(found, query.nearest.size());
}

}  // namespace

BeamTuning TuneBeamWidth(const CodeGraph& graph, const DenseRowsView& rows,
                         const BeamTuningOptions& options) {
  if (rows.count == 0) return {};
  double products = 0;
  const auto go_on = [&](double more) {
    products += more;
    if (!options.go_on || products < kProductsBetweenAsking) return true;
    products = 0;
    return options.go_on();
  };
  std::vector<SampleQuery> queries;
  size_t wanted = 0;
  for (const uint32_t row : SampleRows(rows, options)) {
    DenseQuery exact;
    exact.metric = graph.metric();
    exact.query = rows.Row(row);
    exact.k = kNeighbours + 1;
    SampleQuery query{row, *ExactScan(rows, exact)};
    std::erase_if(query.nearest, [&](const ScoredRow& found) { return found.row == row; });
    if (query.nearest.size() > kNeighbours) query.nearest.resize(kNeighbours);
    if (!query.nearest.empty()) {
      wanted += query.nearest.size();
      queries.push_back(std::move(query));
    }
    if (!go_on(static_cast<double>(rows.count) * rows.dimension)) return {};
  }
  if (queries.empty()) return {kLadder[0], 1.0};
  CodeWalkScratch scratch;
  bool cancelled = false;
  const auto measure = [&](uint32_t beam_width) {
    size_t found = 0;
    double squares = 0;  // Of the queries' own recalls.
    for (const SampleQuery& query : queries) {
      const size_t of_query = Found(graph, rows, query, beam_width, options.rescored, scratch);
      const double share =
          static_cast<double>(of_query) / static_cast<double>(query.nearest.size());
      found += of_query;
      squares += share * share;
      cancelled = cancelled || !go_on(kProductsPerVisit * beam_width);
      if (cancelled) return SampleRecall();
    }
    const auto count = static_cast<double>(queries.size());
    SampleRecall recall;
    recall.mean = static_cast<double>(found) / static_cast<double>(wanted);
    const double variance = std::max(squares / count - recall.mean * recall.mean, 0.0);
    recall.low = recall.mean - std::sqrt(variance / count);
    return recall;
  };
  // Recall grows with the width.
  const auto least = [&](double SampleRecall::*counted, double target) {
    size_t low = 0;
    size_t high = std::size(kLadder) - 1;
    while (low < high && !cancelled) {
      const size_t middle = (low + high) / 2;
      if (measure(kLadder[middle]).*counted >= target) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return kLadder[high];
  };
  BeamTuning tuning;
  tuning.beam_width = least(&SampleRecall::low, options.recall);
  const SampleRecall reached = measure(tuning.beam_width);
  tuning.recall = reached.mean;
  if (reached.low < options.recall && !cancelled) {
    tuning.beam_width = least(&SampleRecall::mean, reached.mean - kNearEnough);
    tuning.recall = measure(tuning.beam_width).mean;
  }
  return cancelled ? BeamTuning{} : tuning;
}

}  // namespace almagest
