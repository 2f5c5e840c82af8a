// What learned compatibility adds to the loss of the feedback. Uses LibTorch: include only from
// files that do anyway. All return a scalar.
#pragma once

#include <torch/torch.h>

#include <limits>

namespace almagest::bench {

// Similarities [B, K] of rows [B, D] to prototypes [K, D], seen from `mean` [D], over a
// temperature.
inline torch::Tensor AnchorLogits(const torch::Tensor& rows, const torch::Tensor& mean,
                                  const torch::Tensor& prototypes) {
  constexpr double kAnchorTemperature = 0.1;
  return (rows - mean).mm(prototypes.t()) / kAnchorTemperature;
}

// KL(p_0 || p), p = softmax(logits): what a row says about the prototypes shall stay what its base
// vector said. Value and gradient are zero at the identity; order within a class is left free.
inline torch::Tensor SoftAnchor(const torch::Tensor& base_logits, const torch::Tensor& logits) {
  const torch::Tensor target = base_logits.detach().log_softmax(1);
  return (target.exp() * (target - logits.log_softmax(1))).sum(1).mean();
}

// Cross-entropy to the prototype labels[i] of row i, smoothed, since all rows of a class at one
// point would be the end of any order within it.
inline torch::Tensor HardAnchor(const torch::Tensor& logits, const torch::Tensor& labels) {
  constexpr double kLabelSmoothing = 0.1;
  const torch::Tensor log_p = logits.log_softmax(1);
  const torch::Tensor own = log_p.gather(1, labels.unsqueeze(1)).squeeze(1);
  return -((1 - kLabelSmoothing) * own + kLabelSmoothing * log_p.mean(1)).mean();
}

// Higher-order compatibility (Biondi et al. 2024): the vector that an old version made of a
// document shall be nearer to this version's of the same document than to this version's of
// documents of other classes.
//
//   mean_i ( log sum_{j: class j != class i} exp(s_ij / t) - s_ii / t ),   s = old new^T, t = 0.1
//
// As published the positive is not in the sum; others of its class are left out of it (there they
// count as a constant). Rows without a document of another class are left out.
inline torch::Tensor HigherOrderContrast(const torch::Tensor& old_rows,
                                         const torch::Tensor& new_rows,
                                         const torch::Tensor& labels) {
  constexpr double kContrastTemperature = 0.1;
  const torch::Tensor same = labels.unsqueeze(1).eq(labels.unsqueeze(0));
  const torch::Tensor kept = same.logical_not().any(1).nonzero().squeeze(1);
  if (kept.size(0) == 0) return new_rows.sum() * 0;
  const torch::Tensor scores = old_rows.mm(new_rows.t()) / kContrastTemperature;
  const torch::Tensor others =
      scores.masked_fill(same, -std::numeric_limits<double>::infinity()).index_select(0, kept);
  return (others.logsumexp(1) - scores.diagonal().index_select(0, kept)).mean();
}

}  // namespace almagest::bench
