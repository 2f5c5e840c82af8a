// Topics: groups of queries that lie near each other. A batch that is drawn from one or two of them
// has the documents of similar queries as its negatives, which are harder than those of queries
// about anything (TAS-Balanced: Hofstaetter et al. 2021, arXiv:2104.06967). Uses LibTorch: include
// only from files that do anyway.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

namespace almagest::training {

// Spherical k-means over the rows [Q, D], Q >= 1, of any length above 0: entry i is the topic of
// row i, 0 .. count - 1. Empty if `count` is 0. Topics may be of different sizes, and some empty;
// more topics than rows are not made. Computed on the CPU, so that every device gets the same
// batches of the same rows. Deterministic for a seed. Cost: ten passes of 2 Q count D flops.
std::vector<int32_t> FindTopics(const torch::Tensor& rows, int64_t count, uint64_t seed);

}  // namespace almagest::training
