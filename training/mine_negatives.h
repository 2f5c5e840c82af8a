// The search side of negative_mining.h. Uses LibTorch: include only from files that do anyway.
#pragma once

#include <torch/torch.h>

#include <span>
#include <vector>

#include "training/batch_sampler.h"
#include "training/negative_mining.h"
#include "training/progress.h"

namespace almagest::training {

// Exact search of `queries` [Q, D] (row i is train[i]) in `documents` [N, D], both as the present
// adapter maps them. Of each query it keeps the `depth` best documents that are not known positives
// and score below NegativeLimit of its best-scoring positive; the limit of a weaker positive is
// applied when negatives are drawn for it. Cost: 2 Q N D flops.
std::vector<MinedQuery> MineNegatives(const torch::Tensor& queries, const torch::Tensor& documents,
                                      std::span<const TrainingQuery> train, int64_t depth,
                                      double ratio, const Tick& tick);

}  // namespace almagest::training
