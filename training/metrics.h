// Retrieval quality of a ranking against judgements (Jarvelin & Kekalainen 2002 for nDCG, with the
// grade itself as the gain). A document without a judgement counts as not relevant.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "training/judgements.h"

namespace almagest::training {

// All in 0..1. A query without a relevant document gets zeros.
struct QueryMetrics {
  double ndcg_at_10 = 0;
  double recall_at_10 = 0;   // Share of the relevant documents found in the first 10.
  double recall_at_100 = 0;  // Needs a ranking of at least 100 (or of the whole collection).
  double mrr_at_10 = 0;      // 1 / rank of the first relevant document, 0 beyond rank 10.
};

// `ranking` holds documents, best first; `judged` is sorted by document.
QueryMetrics MeasureRanking(std::span<const int32_t> ranking,
                            std::span<const JudgedDocument> judged);

// One column of the metrics, for means and intervals.
std::vector<double> Column(std::span<const QueryMetrics> metrics, double QueryMetrics::*member);

double Mean(std::span<const double> values);

}  // namespace almagest::training
