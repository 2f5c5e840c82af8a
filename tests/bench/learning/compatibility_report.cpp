#include "tests/bench/learning/compatibility_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <numeric>

#include "training/gate.h"
#include "training/metrics.h"

namespace almagest::bench {
namespace {

using Measure = std::function<const std::vector<double>&(const VersionQuality&)>;

// Of each query, the mean over the seeds.
std::vector<double> OverSeeds(std::span<const VersionQuality> seeds, const Measure& measure) {
  std::vector<double> sums(measure(seeds.front()).size(), 0.0);
  for (const VersionQuality& seed : seeds) {
    const std::vector<double>& values = measure(seed);
    for (size_t i = 0; i < sums.size(); ++i) {
      sums[i] += values[i] / static_cast<double>(seeds.size());
    }
  }
  return sums;
}

double SpreadOf(std::span<const double> values) {
  const double mean = training::Mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return values.size() < 2 ? 0 : std::sqrt(squares / static_cast<double>(values.size() - 1));
}

nlohmann::ordered_json AsJson(const Interval& interval) {
  return {{"mean", interval.mean}, {"interval_95", {interval.low, interval.high}}};
}

}  // namespace

PairAgreement SummarisePairs(std::span<const double> matrix, size_t versions) {
  PairAgreement summary;
  summary.worst = std::numeric_limits<double>::infinity();
  const auto pairs = static_cast<double>(versions * (versions - 1) / 2);
  for (size_t t = 0; t < versions; ++t) {
    for (size_t k = 0; k <= t; ++k) {
      const double cell = matrix[t * versions + k];
      summary.mean_quality += cell / (pairs + static_cast<double>(versions));
      if (k == t) continue;
      const double change = cell - matrix[k * versions + k];
      summary.worst = std::min(summary.worst, change);
      if (change < 0) continue;
      summary.agreeing += 1 / pairs;
      summary.agreeing_quality += cell / pairs;
    }
  }
  return summary;
}

void PrintArmHeading() {
  std::printf("  %-35s %-12s %5s %5s %6s  %-29s  %-26s %s\n", "nDCG@10", "last version", "AC", "AA",
              "worst", "re-embedded 0 25 50 75 100 %", "last - linear_folded", "half re-embedded");
}

nlohmann::ordered_json ReportArm(const std::string& name, std::span<const VersionQuality> seeds,
                                 std::span<const VersionQuality> baseline) {
  const size_t versions = seeds.front().versions;
  const size_t last = versions - 1;
  std::vector<double> self;
  std::vector<double> agreeing;
  std::vector<double> agreeing_quality;
  std::vector<double> mean_quality;
  std::vector<double> worst;
  std::vector<double> matrix(versions * versions, 0.0);
  for (const VersionQuality& seed : seeds) {
    std::vector<double> means;
    for (const std::vector<double>& cell : seed.cells) means.push_back(training::Mean(cell));
    for (size_t i = 0; i < matrix.size(); ++i) {
      matrix[i] += means[i] / static_cast<double>(seeds.size());
    }
    const PairAgreement summary = SummarisePairs(means, versions);
    self.push_back(means.back());
    agreeing.push_back(summary.agreeing);
    agreeing_quality.push_back(summary.agreeing_quality);
    mean_quality.push_back(summary.mean_quality);
    worst.push_back(summary.worst);
  }
  std::vector<int32_t> each(seeds.front().At(last, last).size());
  std::iota(each.begin(), each.end(), 0);
  const auto difference = [&](const Measure& measure) {
    return training::PairedGain(OverSeeds(seeds, measure), OverSeeds(baseline, measure), each);
  };
  nlohmann::ordered_json reembedded = nlohmann::ordered_json::object();
  std::string shares;
  for (size_t i = 0; i < std::size(kReembedded); ++i) {
    const Measure share = [i](const VersionQuality& q) -> const std::vector<double>& {
      return q.reembedded[i];
    };
    const double mean = training::Mean(OverSeeds(seeds, share));
    nlohmann::ordered_json entry = {{"ndcg_at_10", mean}};
    entry["difference_to_folded"] = AsJson(difference(share));
    reembedded[std::to_string(static_cast<int>(100 * kReembedded[i]))] = entry;
    char text[16];
    std::snprintf(text, sizeof(text), "%.3f ", mean);
    shares += text;
  }
  const Interval own = difference(
      [&](const VersionQuality& q) -> const std::vector<double>& { return q.At(last, last); });
  const Interval half = difference(
      [](const VersionQuality& q) -> const std::vector<double>& { return q.reembedded[2]; });
  std::printf(
      "  %-35s %.3f ± %.3f %5.2f %5.3f %+6.3f  %s %+.3f [%+.3f, %+.3f]    %+.3f [%+.3f, %+.3f]\n",
      name.c_str(), training::Mean(self), SpreadOf(self), training::Mean(agreeing),
      training::Mean(mean_quality), training::Mean(worst), shares.c_str(), own.mean, own.low,
      own.high, half.mean, half.low, half.high);
  return {{"method", name},
          {"seeds", seeds.size()},
          {"ndcg_at_10", training::Mean(self)},
          {"ndcg_at_10_spread", SpreadOf(self)},
          {"difference_to_folded", AsJson(own)},
          {"ac", training::Mean(agreeing)},
          {"aca", training::Mean(agreeing_quality)},
          {"aa", training::Mean(mean_quality)},
          {"aa_spread", SpreadOf(mean_quality)},
          {"worst", training::Mean(worst)},
          {"worst_of_any_seed", *std::ranges::min_element(worst)},
          {"matrix", matrix},
          {"reembedded", reembedded}};
}

}  // namespace almagest::bench
