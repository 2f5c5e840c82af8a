// Paired bootstrap over queries (Efron & Tibshirani 1993, ch. 13; percentile interval).
#pragma once

#include <cstdint>
#include <span>

namespace almagest {

struct Interval {
  double mean = 0;
  double low = 0;   // Lower end of the central interval.
  double high = 0;  // Upper end.
};

// The mean of `values` (one per query or query group; for a paired comparison: the differences)
// with a central interval of the given confidence. Deterministic for a seed. Empty input gives
// {0, 0, 0}; one value gives an interval of width zero. Cost: O(resamples * n).
Interval BootstrapMean(std::span<const double> values, double confidence = 0.95,
                       int resamples = 2000, uint64_t seed = 1);

}  // namespace almagest
