// The maps of the compatibility benchmark: linear, and the residual MLP that the product does not
// have. Uses LibTorch: include only from files that do anyway.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "tests/bench/learning/compatibility_arms.h"

namespace almagest::bench {

// x -> l2(x + f(x)) on both sides; queries also learn a shift. f starts at zero.
//   kLinear  f(x) = P x                          D^2 parameters
//   kMlp     f(x) = V gelu(U x + b), U [D/2, D]  D^2 + D/2
class CompatibilityMap {
 public:
  CompatibilityMap(MapShape shape, bool maps_documents, int64_t dimension, uint64_t seed);

  torch::Tensor Queries(const torch::Tensor& rows) const;
  torch::Tensor Documents(const torch::Tensor& rows) const;

  // W of linear document maps, x -> l2(W x); the identity where documents are not mapped.
  torch::Tensor DocumentMatrix() const;

  const std::vector<torch::Tensor>& parameters() const { return parameters_; }
  std::vector<torch::Tensor> Copy() const;
  void Restore(const std::vector<torch::Tensor>& copies);

 private:
  torch::Tensor Change(const torch::Tensor& rows) const;

  MapShape shape_;
  bool maps_documents_;
  std::vector<torch::Tensor> parameters_;  // The shift [D], then those of f.
};

}  // namespace almagest::bench
