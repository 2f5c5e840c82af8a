// Measures adapter versions on judged queries by exact search.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "training/judgements.h"
#include "training/linear_adapter.h"
#include "training/metrics.h"
#include "training/progress.h"
#include "training/vector_space.h"

namespace almagest::training {

// Metrics of each query, in order; search depth k (at least 100 for Recall@100). Parameters as in
// VectorSpace::Search.
std::vector<QueryMetrics> Evaluate(const VectorSpace& space, const LinearAdapter& query_version,
                                   const LinearAdapter& document_version,
                                   std::span<const JudgedQuery> judged, int64_t k,
                                   bool with_lengths, const Tick& tick);

// Mean share of the first ten results of `a` (both sides) that `b` finds, too, over the queries.
double MeanOverlap(const VectorSpace& space, const LinearAdapter& a, const LinearAdapter& b,
                   std::span<const JudgedQuery> judged, const Tick& tick);

// nDCG@10 of queries by version [row] against documents by version [column]: per query, so that
// cells can be compared pairwise.
struct CompatibilityMatrix {
  size_t size = 0;
  std::vector<std::vector<double>> ndcg_at_10;       // [row * size + column][query]
  std::vector<std::vector<double>> without_lengths;  // The same, VectorSpace::Search's
                                                     // `with_lengths` false.
  const std::vector<double>& At(size_t row, size_t column) const {
    return ndcg_at_10[row * size + column];
  }
};

CompatibilityMatrix MeasureCompatibility(const VectorSpace& space,
                                         std::span<const LinearAdapter* const> versions,
                                         std::span<const JudgedQuery> judged, const Tick& tick);

}  // namespace almagest::training
