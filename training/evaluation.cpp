#include "training/evaluation.h"

#include <algorithm>

namespace almagest::training {

std::vector<QueryMetrics> Evaluate(const VectorSpace& space, const LinearAdapter& query_version,
                                   const LinearAdapter& document_version,
                                   std::span<const JudgedQuery> judged, int64_t k,
                                   bool with_lengths, const Tick& tick) {
  std::vector<int32_t> rows;
  for (const JudgedQuery& query : judged) rows.push_back(query.query);
  const Ranking ranking =
      space.Search(query_version, document_version, rows, k, with_lengths, tick);
  std::vector<QueryMetrics> metrics;
  for (size_t i = 0; i < judged.size(); ++i) {
    metrics.push_back(MeasureRanking(ranking.Of(i), judged[i].documents));
  }
  return metrics;
}

double MeanOverlap(const VectorSpace& space, const LinearAdapter& a, const LinearAdapter& b,
                   std::span<const JudgedQuery> judged, const Tick& tick) {
  std::vector<int32_t> rows;
  for (const JudgedQuery& query : judged) rows.push_back(query.query);
  const Ranking first = space.Search(a, a, rows, 10, true, tick);
  const Ranking second = space.Search(b, b, rows, 10, true, tick);
  size_t shared = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    for (const int32_t document : first.Of(i)) {
      shared += static_cast<size_t>(std::ranges::count(second.Of(i), document));
    }
  }
  const auto places = static_cast<double>(rows.size()) * static_cast<double>(first.depth);
  return places > 0 ? static_cast<double>(shared) / places : 0;
}

CompatibilityMatrix MeasureCompatibility(const VectorSpace& space,
                                         std::span<const LinearAdapter* const> versions,
                                         std::span<const JudgedQuery> judged, const Tick& tick) {
  CompatibilityMatrix matrix;
  matrix.size = versions.size();
  const auto cells = static_cast<double>(matrix.size * matrix.size * 2);
  const auto measure = [&](size_t row, size_t column, bool with_lengths) {
    const auto done = static_cast<double>(matrix.ndcg_at_10.size() + matrix.without_lengths.size());
    const auto metrics = Evaluate(space, *versions[row], *versions[column], judged, 10,
                                  with_lengths, [&](double part) { tick((done + part) / cells); });
    return Column(metrics, &QueryMetrics::ndcg_at_10);
  };
  for (size_t row = 0; row < matrix.size; ++row) {
    for (size_t column = 0; column < matrix.size; ++column) {
      matrix.ndcg_at_10.push_back(measure(row, column, true));
      matrix.without_lengths.push_back(row == column ? matrix.ndcg_at_10.back()
                                                     : measure(row, column, false));
    }
  }
  return matrix;
}

}  // namespace almagest::training
