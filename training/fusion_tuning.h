// How to fuse the dense leg with a text leg (BM25), learned from the same feedback. No LibTorch.
//
// The form is reciprocal rank fusion with weights, as the server's own fusion has it
// (engine/search/fusion.h): a document at rank r (from 0) of a list of weight w adds
// 1 / ((r + 1) / w + k - 1). So what was learned can be sent with any query.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "storage/base/bootstrap.h"
#include "training/judgements.h"

namespace almagest::training {

struct FusionWeights {
  double k = 60;
  double dense = 1;
  double text = 1;
};

// Best first, of the union; at most `depth` documents.
std::vector<int32_t> FuseRanks(std::span<const int32_t> dense, std::span<const int32_t> text,
                               const FusionWeights& weights, size_t depth);

// One judged query with the results of both legs, best first.
struct FusionQuery {
  const JudgedQuery* judged = nullptr;
  std::vector<int32_t> dense;
  std::vector<int32_t> text;
  int32_t group = 0;  // Near-identical queries share one.
};

struct FusionChoice {
  FusionWeights weights;
  size_t queries = 0;
  double dense_ndcg_at_10 = 0;
  double text_ndcg_at_10 = 0;
  double equal_ndcg_at_10 = 0;  // k 60, equal weights: what one gets without learning.
  double ndcg_at_10 = 0;        // With the weights chosen, on the queries that chose them.
  Interval gain_over_best_leg;  // Paired, likewise.
  std::string explanation;
};

// Tries a grid of k and weights and takes the best mean nDCG@10. It is a choice of one among 33, on
// the queries it is measured on; so it must beat the better leg by more than chance (lower end of
// the paired interval above 0), else that leg gets all the weight but a thousandth, which only
// appends what it did not find. The dense lists must come from an adapter that was not trained on
// these queries. Cost: 33 fusions a query.
FusionChoice TuneFusion(std::span<const FusionQuery> queries);

}  // namespace almagest::training
