// How hard the mined negatives are: how near their scores come to those of the documents that they
// should stay behind (Wang & Liu 2021, arXiv:2012.09740). It tells whether a temperature fits.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "training/negative_mining.h"

namespace almagest::training {

struct NegativeHardness {
  // A negative is counted at the first of these that its score minus the query's best relevant
  // score does not exceed; both as cosines (of dot products: over the mean product of lengths).
  static constexpr std::array kMargins = {-0.4, -0.3, -0.2, -0.15, -0.1, -0.05, 0.0};

  std::array<size_t, kMargins.size()> counts = {};
  size_t queries = 0;
  // Mean over the queries of sum_n exp((s_n - s_best) / temperature): what a query's mined
  // negatives weigh in the loss beside its answer, which weighs 1. Near 0, nothing is left to learn
  // from them; where it is large, the temperature tells near from far no more.
  double weight = 0;

  // `unit`: what a score difference is divided by to be one of cosines.
  void Add(std::span<const MinedQuery> mined, double temperature, double unit);
  void Add(const NegativeHardness& other);
};

}  // namespace almagest::training
