#include "engine/learning/counterfactual.h"

#include <algorithm>
#include <cmath>

#include "storage/base/check.h"

namespace almagest {
namespace {

constexpr double kSigmasOf95Percent = 1.959964;

// Sums of `values` by search.
std::vector<double> SumBySearch(std::span<const double> values, std::span<const size_t> searches) {
  ALMAGEST_CHECK(values.size() == searches.size());
  std::vector<double> sums;
  for (size_t i = 0; i < values.size(); ++i) {
    if (searches[i] >= sums.size()) sums.resize(searches[i] + 1, 0.0);
    sums[searches[i]] += values[i];
  }
  return sums;
}

double Sum(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

double SumOfSquares(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return sum;
}

}  // namespace

ClickWeights WeighClicks(std::span<const double> probabilities, std::optional<double> clip) {
  ClickWeights result;
  for (const double probability : probabilities) {
    ALMAGEST_CHECK(probability > 0);
    result.weights.push_back(1 / probability);
  }
  const double total = Sum(result.weights);
  const double count = static_cast<double>(probabilities.size());
  result.clip = clip.value_or(count > 0 ? total / std::sqrt(count) : 0);
  for (double& weight : result.weights) weight = std::min(weight, result.clip);
  if (total > 0) result.clipped_share = 1 - Sum(result.weights) / total;
  return result;
}

double EffectiveSampleSize(std::span<const double> weights, std::span<const size_t> searches) {
  const std::vector<double> sums = SumBySearch(weights, searches);
  const double squares = SumOfSquares(sums);
  return squares > 0 ? Sum(sums) * Sum(sums) / squares : 0;
}

Interval EstimateValue(std::span<const double> weights, std::span<const size_t> searches,
                       std::span<const double> values) {
  ALMAGEST_CHECK(values.size() == weights.size());
  const double total = Sum(weights);
  if (total <= 0) return {};
  std::vector<double> weighted(weights.begin(), weights.end());
  for (size_t i = 0; i < weighted.size(); ++i) weighted[i] *= values[i];
  const double mean = Sum(weighted) / total;
  for (size_t i = 0; i < weighted.size(); ++i) weighted[i] -= weights[i] * mean;
  const std::vector<double> residuals = SumBySearch(weighted, searches);
  const double count = static_cast<double>(residuals.size());
  const double correction = count > 1 ? count / (count - 1) : 1;
  const double error = std::sqrt(SumOfSquares(residuals) * correction) / total;
  return {mean, mean - kSigmasOf95Percent * error, mean + kSigmasOf95Percent * error};
}

}  // namespace almagest
