// What another ranking would have been worth, from clicks on the one that was shown:
// self-normalised inverse propensity scores (Swaminathan & Joachims 2015).
//
// A click on a point that its search showed, and its user saw, with probability p stands for 1 / p
// relevant points. With w = min(1 / p, clip) and the value v that the ranking gives the point
// (1 / rank, say), the estimate is sum w v / sum w: the mean value over what users wanted, among
// the points that had any chance (p > 0). Clicks with p = 0 cannot be: deterministic logging has
// none for what it does not show, and no estimate speaks of those.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "storage/base/bootstrap.h"

namespace almagest {

// The three spans below are parallel, one entry per click. `searches`: a number per search, from 0
// without gaps; clicks of one search are not independent.

struct ClickWeights {
  std::vector<double> weights;
  double clip = 0;  // That was applied.
  double clipped_share =
      0;  // Of all 1 / p: what was cut off. The estimate may be wrong by as much.
};
// Without `clip`: sqrt(number of clicks) times the mean of 1 / p, which makes the variance finite
// and the cut vanish with more clicks (Ionides 2008, truncated importance sampling).
ClickWeights WeighClicks(std::span<const double> probabilities, std::optional<double> clip);

// (sum W)^2 / sum W^2 over searches, W the weight of a search's clicks: as many searches of equal
// weight would tell as much.
double EffectiveSampleSize(std::span<const double> weights, std::span<const size_t> searches);

// The estimate and its 95 % interval, from the variance of a ratio (delta method) over searches. No
// click: {0, 0, 0}. For a difference of rankings give the differences of values: paired by click.
Interval EstimateValue(std::span<const double> weights, std::span<const size_t> searches,
                       std::span<const double> values);

}  // namespace almagest
