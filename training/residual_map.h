// The learned part of a candidate adapter: a map that starts as the identity, x -> l2(x + change).
// Uses LibTorch: include only from files that do anyway.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <vector>

#include "training/adapter_training.h"
#include "training/job_config.h"

namespace almagest::training {

// The shapes, by what they learn of W (a query also learns a shift b):
//   kFull        W = I + P                    D^2 parameters
//   kLowRank     W = I + B A, rank r          2 D r
//   kDiagonal    W = I + diag(g)              D
//   kOrthogonal  W = H_1 H_2 .. H_2k, the product of Householder reflections H = I - 2 v v^T / v.v
//                in pairs that start equal, so that each pair starts as the identity; inner
//                products between documents stay as they are
// All start at the identity up to rounding and can be folded into one matrix. What is validated and
// kept is the moving average of the parameters over the last steps, which is smoother than any
// single step (Polyak & Juditsky 1992).
class ResidualMap {
 public:
  ResidualMap(const Candidate& candidate, const TrainingOptions& options, int64_t dimension,
              uint64_t seed, const torch::Device& device);

  // rows [n, D], mapped by the start. By the present parameters, for the loss; `averaged` true: by
  // their average.
  torch::Tensor Queries(const torch::Tensor& rows, Distance distance, bool averaged) const;
  torch::Tensor Documents(const torch::Tensor& rows, Distance distance, bool averaged) const;

  void UpdateAverage(int64_t step);
  // Of the average: W and the shift, double precision on the CPU.
  torch::Tensor Matrix() const;
  torch::Tensor Shift() const;

  const std::vector<torch::Tensor>& parameters() const { return parameters_; }
  std::vector<torch::Tensor> CopyAverage() const;
  void RestoreAverage(const std::vector<torch::Tensor>& copies);
  // The average with the learned change times `factor` (0: the start, 1: as learned, above:
  // further). Orthogonal maps have no such line and are left alone.
  static std::vector<torch::Tensor> Scaled(Shape shape, const std::vector<torch::Tensor>& average,
                                           double factor);

 private:
  torch::Tensor Change(const torch::Tensor& rows, const std::vector<torch::Tensor>& p) const;

  Shape shape_;
  bool maps_documents_;
  std::vector<torch::Tensor> parameters_;  // The shift [D], then those of the shape.
  std::vector<torch::Tensor> average_;
};

// The kind of an adapter that learned this of queries alone.
const char* QueryKind(Shape shape);

}  // namespace almagest::training
