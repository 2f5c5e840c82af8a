#include "training/score_calibration.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace almagest::training {
namespace {

constexpr size_t kKnots = 33;
// A stretch where nothing rises rises by this share of the mean slope, so that order is kept.
constexpr double kSlopeMin = 1e-3;

std::vector<float> Sorted(std::span<const float> values) {
  std::vector<float> sorted(values.begin(), values.end());
  std::ranges::sort(sorted);
  return sorted;
}

// Ascending (input, output) knots with rising inputs, made strictly rising.
Result<MonotoneCurve> Curve(const std::vector<std::pair<double, double>>& knots) {
  std::vector<float> inputs;
  std::vector<float> outputs;
  if (knots.size() >= 2 && knots.back().first > knots.front().first) {
    const double range = knots.back().first - knots.front().first;
    const double rise = std::max(knots.back().second - knots.front().second, 1e-3 * range);
    double output = 0;
    for (const auto& [x, y] : knots) {
      const auto input = static_cast<float>(x);
      if (!inputs.empty()) {
        // As float32 knots, which must differ in both by more than rounding.
        const double step = x - static_cast<double>(inputs.back());
        if (step < 1e-5 * range) continue;
        output = std::max(y, static_cast<double>(outputs.back()) + kSlopeMin * rise / range * step);
      } else {
        output = y;
      }
      const auto value = static_cast<float>(output);
      if (!outputs.empty() && !(value > outputs.back())) continue;
      inputs.push_back(input);
      outputs.push_back(value);
    }
  }
  if (inputs.size() < 2) {
    return Fail(ErrorCode::kFailedPrecondition,
                "the scores of the sample do not differ, so they cannot be compared");
  }
  return MonotoneCurve::Create(std::move(inputs), std::move(outputs));
}

double Quantile(const std::vector<float>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(below);
  return static_cast<double>(sorted[below]) * (1 - part) +
         static_cast<double>(sorted[above]) * part;
}

}  // namespace

Result<MonotoneCurve> MatchQuantiles(std::span<const float> mapped, std::span<const float> wanted) {
  const std::vector<float> inputs = Sorted(mapped);
  const std::vector<float> outputs = Sorted(wanted);
  std::vector<std::pair<double, double>> knots;
  for (size_t i = 0; i < kKnots && !inputs.empty() && !outputs.empty(); ++i) {
    const double share = static_cast<double>(i) / (kKnots - 1);
    knots.emplace_back(Quantile(inputs, share), Quantile(outputs, share));
  }
  return Curve(knots);
}

Result<MonotoneCurve> FitIsotonic(std::span<const float> mapped, std::span<const float> wanted) {
  std::vector<size_t> order(mapped.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return mapped[i]; });
  // Bins of equal size first: knots are means of many pairs, and few.
  struct Pool {
    double x = 0, y = 0, weight = 0;
  };
  std::vector<Pool> pools;
  const size_t bins = std::min(kKnots, order.size());
  for (size_t bin = 0; bin < bins; ++bin) {
    Pool pool;
    for (size_t i = bin * order.size() / bins; i < (bin + 1) * order.size() / bins; ++i) {
      pool.x += mapped[order[i]];
      pool.y += wanted[order[i]];
      pool.weight += 1;
    }
    pool.x /= pool.weight;
    pool.y /= pool.weight;
    pools.push_back(pool);
    while (pools.size() > 1 && pools[pools.size() - 2].y > pools.back().y) {
      const Pool last = pools.back();
      pools.pop_back();
      Pool& into = pools.back();
      const double weight = into.weight + last.weight;
      into.x = (into.x * into.weight + last.x * last.weight) / weight;
      into.y = (into.y * into.weight + last.y * last.weight) / weight;
      into.weight = weight;
    }
  }
  std::vector<std::pair<double, double>> knots;
  for (const Pool& pool : pools) knots.emplace_back(pool.x, pool.y);
  return Curve(knots);
}

double DistributionDistance(std::span<const float> a, std::span<const float> b) {
  if (a.empty() || b.empty()) return 0;
  const std::vector<float> first = Sorted(a);
  const std::vector<float> second = Sorted(b);
  double distance = 0;
  size_t j = 0;
  for (size_t i = 0; i < first.size();) {
    const float at = second.size() > j ? std::min(first[i], second[j]) : first[i];
    while (i < first.size() && first[i] <= at) ++i;
    while (j < second.size() && second[j] <= at) ++j;
    const double difference = static_cast<double>(i) / static_cast<double>(first.size()) -
                              static_cast<double>(j) / static_cast<double>(second.size());
    distance = std::max(distance, std::abs(difference));
  }
  return distance;
}

}  // namespace almagest::training
