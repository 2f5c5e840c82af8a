#include "engine/learning/ranking_metrics.h"

#include <algorithm>
#include <cmath>

namespace almagest {
namespace {

double GainOf(double grade, Gain gain) {
  return gain == Gain::kLinear ? grade : std::exp2(grade) - 1;
}

double Discount(size_t rank) { return std::log2(static_cast<double>(rank) + 1); }

}  // namespace

GradedPoints::GradedPoints(std::span<const JudgedPoint> judgements) {
  for (const JudgedPoint& judged : judgements) {
    if (!(judged.grade > 0)) continue;
    double& grade = grades_[judged.id];
    grade = std::max(grade, judged.grade);
  }
  for (const auto& [id, grade] : grades_) descending_.push_back(grade);
  std::sort(descending_.begin(), descending_.end(), std::greater<>());
}

double GradedPoints::Ndcg(std::span<const PointId> ranking, size_t k, Gain gain) const {
  double found = 0;
  for (size_t i = 0; i < std::min(k, ranking.size()); ++i) {
    const auto grade = grades_.find(ranking[i]);
    if (grade != grades_.end()) found += GainOf(grade->second, gain) / Discount(i + 1);
  }
  double ideal = 0;
  for (size_t i = 0; i < std::min(k, descending_.size()); ++i) {
    ideal += GainOf(descending_[i], gain) / Discount(i + 1);
  }
  return ideal > 0 ? found / ideal : 0;
}

double GradedPoints::Recall(std::span<const PointId> ranking, size_t k) const {
  if (grades_.empty()) return 0;
  size_t found = 0;
  for (size_t i = 0; i < std::min(k, ranking.size()); ++i) found += grades_.count(ranking[i]);
  return static_cast<double>(found) / static_cast<double>(grades_.size());
}

double GradedPoints::ReciprocalRank(std::span<const PointId> ranking, size_t k) const {
  for (size_t i = 0; i < std::min(k, ranking.size()); ++i) {
    if (grades_.contains(ranking[i])) return 1 / static_cast<double>(i + 1);
  }
  return 0;
}

}  // namespace almagest
