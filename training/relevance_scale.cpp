#include "training/relevance_scale.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "storage/base/check.h"
#include "storage/base/checksum.h"

namespace almagest::training {
namespace {

constexpr size_t kCalibrationBins = 10;
constexpr int kNewtonSteps = 30;
// Keeps the curve finite where one score tells everything.
constexpr double kScaleRidge = 1e-3;

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// Of the results `rows`. Newton's steps on standardised scores.
RelevanceScale FitRows(std::span<const float> scores, std::span<const float> targets,
                       std::span<const size_t> rows) {
  const auto n = static_cast<double>(rows.size());
  double mean = 0;
  double square = 0;
  double target = 0;
  for (const size_t row : rows) {
    mean += scores[row] / n;
    target += targets[row] / n;
  }
  for (const size_t row : rows) square += (scores[row] - mean) * (scores[row] - mean) / n;
  const double deviation = std::sqrt(std::max(square, 1e-18));
  target = std::clamp(target, 1e-4, 1 - 1e-4);
  double slope = 0;
  double offset = std::log(target / (1 - target));
  for (int step = 0; step < kNewtonSteps; ++step) {
    double g0 = kScaleRidge * slope, g1 = 0, h00 = kScaleRidge, h01 = 0, h11 = 1e-9;
    for (const size_t row : rows) {
      const double x = (scores[row] - mean) / deviation;
      const double p = Sigmoid(slope * x + offset);
      const double weight = p * (1 - p) / n;
      const double error = (p - targets[row]) / n;
      g0 += error * x;
      g1 += error;
      h00 += weight * x * x;
      h01 += weight * x;
      h11 += weight;
    }
    const double determinant = std::max(h00 * h11 - h01 * h01, 1e-15);
    // No step larger than what the curve is worth: far out it is flat, and Newton's would
    // overshoot.
    slope -= std::clamp((h11 * g0 - h01 * g1) / determinant, -2.0, 2.0);
    offset -= std::clamp((h00 * g1 - h01 * g0) / determinant, -2.0, 2.0);
  }
  if (slope <= 0) return {0, std::log(target / (1 - target)), 0};
  return {slope / deviation, offset - slope * mean / deviation, 0};
}

}  // namespace

double RelevanceScale::Relevance(double score) const { return Sigmoid(scale * score + bias); }

double ExpectedCalibrationError(std::span<const double> estimates, std::span<const float> targets) {
  ALMAGEST_CHECK(estimates.size() == targets.size());
  std::vector<size_t> order(estimates.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t row) { return estimates[row]; });
  double error = 0;
  size_t at = 0;
  for (size_t bin = 0; bin < kCalibrationBins; ++bin) {
    double difference = 0;
    const size_t last = (bin + 1) * order.size() / kCalibrationBins;
    // Equal estimates share a bin.
    while (at < last ||
           (at > 0 && at < order.size() && estimates[order[at]] == estimates[order[at - 1]])) {
      difference += estimates[order[at]] - targets[order[at]];
      ++at;
    }
    error += std::abs(difference);
  }
  return estimates.empty() ? 0 : error / static_cast<double>(estimates.size());
}

RelevanceScale FitRelevance(std::span<const float> scores, std::span<const float> targets,
                            std::span<const int32_t> group) {
  ALMAGEST_CHECK(scores.size() == targets.size() && scores.size() == group.size());
  std::vector<size_t> halves[2];
  std::vector<size_t> all;
  for (size_t row = 0; row < scores.size(); ++row) {
    all.push_back(row);
    halves[Mix64(static_cast<uint64_t>(group[row])) & 1].push_back(row);
  }
  if (all.empty()) return {};
  RelevanceScale fitted = FitRows(scores, targets, all);
  std::vector<double> estimates(scores.size());
  for (const int side : {0, 1}) {
    if (halves[1 - side].empty()) continue;
    const RelevanceScale other = FitRows(scores, targets, halves[1 - side]);
    for (const size_t row : halves[side]) estimates[row] = other.Relevance(scores[row]);
  }
  fitted.expected_calibration_error = ExpectedCalibrationError(estimates, targets);
  return fitted;
}

RelevanceScale FitRelevance(std::span<const int32_t> documents, std::span<const float> scores,
                            std::span<const JudgedQuery> judged, std::span<const int32_t> group,
                            double grade_max) {
  if (judged.empty()) return {};
  std::vector<float> targets;
  std::vector<int32_t> groups;
  const size_t depth = documents.size() / judged.size();
  for (size_t at = 0; at < documents.size(); ++at) {
    const JudgedQuery& query = judged[at / depth];
    const auto entry =
        std::ranges::lower_bound(query.documents, documents[at], {}, &JudgedDocument::document);
    const bool is_judged = entry != query.documents.end() && entry->document == documents[at];
    const double share = is_judged ? static_cast<double>(entry->grade) / grade_max : 0;
    targets.push_back(static_cast<float>(std::clamp(share, 0.0, 1.0)));
    groups.push_back(group[at / depth]);
  }
  return FitRelevance(scores, targets, groups);
}

}  // namespace almagest::training
