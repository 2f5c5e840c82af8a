// InfoNCE with masks and weights (van den Oord et al. 2018, arXiv:1807.03748; per-pair weights as
// in generalised contrastive learning). Uses LibTorch: include only from files that do anyway.
#pragma once

#include <torch/torch.h>

#include <limits>

namespace almagest::training {

// queries [B, D], columns [C, D] with C >= B: column i is the positive of query i, every other
// column is a negative of it unless excluded[i, j] (bool [B, C]) is set. weights [B], > 0.
//
//   loss = sum_i w_i ( log sum_j exp(s_ij / temperature) - s_ii / temperature ) / sum_i w_i
//
// with s = queries columns^T and excluded scores at -infinity, so that a known positive is neither
// a negative nor, as a zero logit would be, a constant one. Doubling a weight equals repeating the
// row. Returns a scalar.
inline torch::Tensor InfoNce(const torch::Tensor& queries, const torch::Tensor& columns,
                             const torch::Tensor& excluded, const torch::Tensor& weights,
                             double temperature) {
  const torch::Tensor logits = (queries.mm(columns.t()) / temperature)
                                   .masked_fill(excluded, -std::numeric_limits<double>::infinity());
  const torch::Tensor loss = logits.logsumexp(1) - logits.diagonal();
  return (loss * weights).sum() / weights.sum();
}

}  // namespace almagest::training
