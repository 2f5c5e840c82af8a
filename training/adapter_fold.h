// What a training run leaves: the start and the learned part as one adapter. Uses LibTorch.
#pragma once

#include "training/adapter_training.h"
#include "training/linear_adapter.h"
#include "training/residual_map.h"

namespace almagest::training {

// The average of `residual`, which learned on top of candidate.start, folded with it: one affine
// map on each side, or an affine map and a non-linear part of the base vectors. The learned part
// saw queries divided by `query_length`.
LinearAdapter FoldAdapter(const Candidate& candidate, const ResidualMap& residual,
                          double query_length);

}  // namespace almagest::training
