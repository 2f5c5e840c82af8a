// The LibTorch side of VectorSpace, and the few tensor operations its users share. Include only
// from files that use LibTorch: this header alone costs 20 seconds of compilation.
#pragma once

#include <torch/torch.h>

#include "training/vector_space.h"

namespace almagest::training {

struct VectorSpace::Tensors {
  torch::Tensor documents;  // [N, D] float32 on `device`.
  torch::Tensor queries;    // [Q, D]
  torch::Device device{torch::kCPU};
  Distance distance = Distance::kCosine;
};

// Copies values to the device as float32 of the given shape.
torch::Tensor ToTensor(std::span<const float> values, torch::IntArrayRef shape,
                       const torch::Device& device);
torch::Tensor ToIndex(std::span<const int32_t> rows, const torch::Device& device);
std::vector<float> ToVector(const torch::Tensor& tensor);

// x / |x| by row for cosine, x itself for dot. A zero row stays zero.
torch::Tensor Normalised(const torch::Tensor& rows, Distance distance);

// Normalised(rows W^T + b).
torch::Tensor MapRows(const torch::Tensor& rows, std::span<const float> weight,
                      std::span<const float> bias, Distance distance);

// For each query the k best rows of `documents` by inner product, best first: indexes [n, k] as
// int64 on the CPU. Walks in blocks, so that a block of scores stays in the caches or in 64 MB.
torch::Tensor TopRows(const torch::Tensor& queries, const torch::Tensor& documents, int64_t k,
                      const Tick& tick);

// How many queries to score at once against `columns` documents.
int64_t ScoreBlock(int64_t columns);

}  // namespace almagest::training
