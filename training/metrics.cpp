#include "training/metrics.h"

#include <algorithm>
#include <cmath>

namespace almagest::training {
namespace {

constexpr size_t kTop = 10;
constexpr size_t kDeep = 100;

double Discount(size_t rank) { return 1.0 / std::log2(static_cast<double>(rank) + 2.0); }

float GradeOf(std::span<const JudgedDocument> judged, int32_t document) {
  const auto found = std::lower_bound(
      judged.begin(), judged.end(), document,
      [](const JudgedDocument& entry, int32_t value) { return entry.document < value; });
  return found != judged.end() && found->document == document ? found->grade : 0.0f;
}

}  // namespace

QueryMetrics MeasureRanking(std::span<const int32_t> ranking,
                            std::span<const JudgedDocument> judged) {
  std::vector<float> ideal;
  for (const JudgedDocument& entry : judged) {
    if (entry.grade > 0) ideal.push_back(entry.grade);
  }
  QueryMetrics metrics;
  if (ideal.empty()) return metrics;
  std::sort(ideal.begin(), ideal.end(), std::greater<>());
  double ideal_gain = 0;
  for (size_t rank = 0; rank < std::min(kTop, ideal.size()); ++rank) {
    ideal_gain += ideal[rank] * Discount(rank);
  }
  size_t found_top = 0;
  size_t found_deep = 0;
  double gain = 0;
  for (size_t rank = 0; rank < std::min(kDeep, ranking.size()); ++rank) {
    const float grade = GradeOf(judged, ranking[rank]);
    if (grade <= 0) continue;
    ++found_deep;
    if (rank >= kTop) continue;
    ++found_top;
    gain += grade * Discount(rank);
    if (metrics.mrr_at_10 == 0) metrics.mrr_at_10 = 1.0 / static_cast<double>(rank + 1);
  }
  metrics.ndcg_at_10 = gain / ideal_gain;
  metrics.recall_at_10 = static_cast<double>(found_top) / static_cast<double>(ideal.size());
  metrics.recall_at_100 = static_cast<double>(found_deep) / static_cast<double>(ideal.size());
  return metrics;
}

std::vector<double> Column(std::span<const QueryMetrics> metrics, double QueryMetrics::*member) {
  std::vector<double> values;
  values.reserve(metrics.size());
  for (const QueryMetrics& entry : metrics) values.push_back(entry.*member);
  return values;
}

double Mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

}  // namespace almagest::training
