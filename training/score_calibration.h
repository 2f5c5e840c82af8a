// How scores of a search through a bridge read as scores of the new model, so that hits of both can
// stand in one list (TRAINING notes 2.5). A curve never changes the order of what it maps.
#pragma once

#include <span>

#include "storage/base/monotone_curve.h"

namespace almagest::training {

// Equal ranks get equal scores: the quantiles of `mapped` become those of `wanted`. Both are the
// best scores of the same probes, in any order; kFailedPrecondition when either has fewer than two
// different values. O(n log n).
Result<MonotoneCurve> MatchQuantiles(std::span<const float> mapped, std::span<const float> wanted);

// Isotonic regression (pool adjacent violators, Barlow et al. 1972) of `wanted` on `mapped`, scores
// of the same pairs, made strictly rising: what a document that scores so through the bridge scores
// in the new model on average. Errors and cost as above.
Result<MonotoneCurve> FitIsotonic(std::span<const float> mapped, std::span<const float> wanted);

// The largest difference of two samples' distribution functions (Kolmogorov and Smirnov), 0..1.
double DistributionDistance(std::span<const float> a, std::span<const float> b);

}  // namespace almagest::training
