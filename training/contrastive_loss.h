// The losses: InfoNCE with masks and weights (van den Oord et al. 2018, arXiv:1807.03748; per-pair
// weights as in generalised contrastive learning), and BiXSE for graded judgements. Uses LibTorch:
// include only from files that do anyway.
#pragma once

#include <torch/torch.h>

#include <limits>

namespace almagest::training {

// 1 for rows that stay, 0 for the share with the largest losses (rounded down).
inline torch::Tensor KeptRows(const torch::Tensor& loss, double trimmed) {
  const torch::NoGradGuard no_grad;
  torch::Tensor kept = torch::ones_like(loss);
  const auto dropped = static_cast<int64_t>(trimmed * static_cast<double>(loss.size(0)));
  if (dropped > 0) kept.index_fill_(0, std::get<1>(loss.topk(dropped)), 0);
  return kept;
}

// queries [B, D], columns [C, D] with C >= B: column i is the positive of query i, every other
// column is a negative of it unless excluded[i, j] (bool [B, C]) is set. weights [B], > 0.
//
//   loss = sum_i w_i ( log sum_j exp(s_ij / temperature) - s_ii / temperature ) / sum_i w_i
//
// with s = queries columns^T and excluded scores at -infinity, so that a known positive is neither
// a negative nor, as a zero logit would be, a constant one. Doubling a weight equals repeating the
// row. The `trimmed` share of rows with the largest losses is left out (0: none), so that a few
// planted or mistaken judgements do not pull hardest of all. Returns a scalar.
inline torch::Tensor InfoNce(const torch::Tensor& queries, const torch::Tensor& columns,
                             const torch::Tensor& excluded, const torch::Tensor& weights,
                             double temperature, double trimmed = 0) {
  const torch::Tensor logits = (queries.mm(columns.t()) / temperature)
                                   .masked_fill(excluded, -std::numeric_limits<double>::infinity());
  const torch::Tensor loss = logits.logsumexp(1) - logits.diagonal();
  const torch::Tensor kept = weights * KeptRows(loss, trimmed);
  return (loss * kept).sum() / kept.sum();
}

// BiXSE: binary cross-entropy of every pair of the batch, with the grade as the target.
//
//   loss = sum_i w_i sum_{j not excluded} BCE(a s_ij + b, z_ij) / sum_i w_i
//   BCE(x, z) = softplus(x) - z x
//
// targets z [B, C] in 0..1: 1 is as relevant as can be, 0 for what nobody judged. `scale` a (the
// inverse of a temperature) and `bias` b are scalars, learned; b starts at -log(C - 1), since
// nearly all pairs are negatives. So sigmoid(a s + b) estimates the grade among the pairs of a
// batch.
inline torch::Tensor Bixse(const torch::Tensor& queries, const torch::Tensor& columns,
                           const torch::Tensor& excluded, const torch::Tensor& weights,
                           const torch::Tensor& targets, const torch::Tensor& scale,
                           const torch::Tensor& bias, double trimmed = 0) {
  const torch::Tensor logits = queries.mm(columns.t()) * scale + bias;
  const torch::Tensor pairs = torch::softplus(logits) - targets * logits;
  const torch::Tensor loss = pairs.masked_fill(excluded, 0).sum(1);
  const torch::Tensor kept = weights * KeptRows(loss, trimmed);
  return (loss * kept).sum() / kept.sum();
}

}  // namespace almagest::training
