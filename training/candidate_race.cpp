#include "training/candidate_race.h"

#include <algorithm>

namespace almagest::training {
namespace {

// A candidate this far behind the best so far, after this many steps, will not win any more.
constexpr int64_t kRaceSteps = 100;
constexpr double kRaceMargin = 0.02;

}  // namespace

bool IsBehind(const std::vector<LossPoint>& curve, const std::vector<LossPoint>& rival) {
  if (curve.empty() || rival.empty() || curve.back().step < kRaceSteps) return false;
  const LossPoint& latest = curve.back();
  const auto same = std::find_if(rival.begin(), rival.end(),
                                 [&](const LossPoint& point) { return point.step == latest.step; });
  return same != rival.end() &&
         latest.validation_ndcg_at_10 < same->validation_ndcg_at_10 - kRaceMargin;
}

}  // namespace almagest::training
