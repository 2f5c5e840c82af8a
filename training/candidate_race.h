// Whether a candidate is worth going on with, beside the best one so far.
#pragma once

#include <vector>

#include "training/adapter_training.h"

namespace almagest::training {

// After 100 steps: whether `curve` is behind by more than .02 of nDCG@10 at its last step. False
// where `rival` has no point at that step.
bool IsBehind(const std::vector<LossPoint>& curve, const std::vector<LossPoint>& rival);

}  // namespace almagest::training
