#include "storage/base/bootstrap.h"

#include <algorithm>
#include <vector>

#include "storage/base/check.h"
#include "storage/base/checksum.h"

namespace almagest {
namespace {
__extension__ using Wide = unsigned __int128;
}  // namespace

Interval BootstrapMean(std::span<const double> values, double confidence, int resamples,
                       uint64_t seed) {
  ALMAGEST_CHECK(confidence > 0 && confidence < 1 && resamples > 0);
  if (values.empty()) return {};
  const size_t n = values.size();
  double sum = 0;
  for (const double value : values) sum += value;
  std::vector<double> means(static_cast<size_t>(resamples));
  uint64_t counter = Mix64(seed);
  for (double& mean : means) {
    double total = 0;
    for (size_t i = 0; i < n; ++i) {
      // The high half of the product maps 64 random bits to [0, n) without a division.
      const auto pick = static_cast<size_t>(
          (static_cast<Wide>(Mix64(++counter)) * n) >> 64);
      total += values[pick];
    }
    mean = total / static_cast<double>(n);
  }
  std::sort(means.begin(), means.end());
  const auto at = [&](double quantile) {
    const double position = quantile * static_cast<double>(means.size() - 1);
    const auto below = static_cast<size_t>(position);
    const size_t above = std::min(below + 1, means.size() - 1);
    const double fraction = position - static_cast<double>(below);
    return means[below] * (1 - fraction) + means[above] * fraction;
  };
  const double tail = (1 - confidence) / 2;
  return {sum / static_cast<double>(n), at(tail), at(1 - tail)};
}

}  // namespace almagest
