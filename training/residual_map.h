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
// and, of queries alone, by what they add to x, with H hidden units:
//   kMlp         U max(V x + c, 0)             2 D H
//   kMixture     U (V x * softmax(R x + s)), where the H units belong to E experts, H / E each, and
//                are weighed by what the routes R, s give their expert: E low-rank maps, of which
//                each query has its own blend
// All start at the identity up to rounding (P, B, g and U at zero). The linear ones can be folded
// into one matrix, the others into the non-linear part of an adapter. What is validated and
// kept is the moving average of the parameters over the last steps, which is smoother than any
// single step (Polyak & Juditsky 1992).

// The parameters of a kMlp or kMixture, double precision on the CPU.
struct HiddenLayer {
  torch::Tensor weight;        // V [H, D]
  torch::Tensor bias;          // c [H]
  torch::Tensor output;        // U [D, H]
  torch::Tensor route_weight;  // R [E, D]; undefined for a kMlp.
  torch::Tensor route_bias;    // s [E]
};

class ResidualMap {
 public:
  ResidualMap(const Candidate& candidate, const TrainingOptions& options, int64_t dimension,
              uint64_t seed, const torch::Device& device);

  // rows [n, D], mapped by the start. By the present parameters, for the loss; `averaged` true: by
  // their average.
  torch::Tensor Queries(const torch::Tensor& rows, Distance distance, bool averaged) const;
  torch::Tensor Documents(const torch::Tensor& rows, Distance distance, bool averaged) const;

  // The experts of a mixture begin with the bunches that these rows form (query_residual.h). Call
  // before the first step; does nothing for other shapes.
  void PlaceExperts(const torch::Tensor& rows, uint64_t seed);
  // What of these rows each expert of a mixture gets on average, [E], by the present parameters (or
  // by their average); undefined for other shapes.
  torch::Tensor ExpertLoads(const torch::Tensor& rows, bool averaged) const;

  void UpdateAverage(int64_t step);
  // Of the average, double precision on the CPU: W of a linear shape, the shift, the hidden layer
  // of another.
  torch::Tensor Matrix() const;
  torch::Tensor Shift() const;
  HiddenLayer Hidden() const;

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
  std::vector<torch::Tensor> parameters_;  // The shift [D], then those of the shape, the one that
                                           // the change is linear in last.
  std::vector<torch::Tensor> average_;
};

// The kind of an adapter that learned this of queries alone.
const char* QueryKind(Shape shape);

}  // namespace almagest::training
