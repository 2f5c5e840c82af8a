// Hard negatives: documents that the present adapter ranks high for a query although they are not
// relevant. Rule "TopK-PercPos" of NV-Retriever (arXiv:2407.15831): a document that scores nearly
// as high as a relevant one is probably relevant too and is not used.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace almagest::training {

// The score a mined negative must stay below. For a positive score s this is ratio * s; for a
// negative s (possible after centring) the same distance below it.
inline double NegativeLimit(double positive_score, double ratio) {
  return positive_score - (1 - ratio) * std::abs(positive_score);
}

// What mining found for one query; documents as positions in the training corpus.
struct MinedQuery {
  std::vector<float> positive_scores;  // Parallel to the query's relevant documents.
  std::vector<int32_t> negatives;      // Nearest first, none of them relevant.
  std::vector<float> negative_scores;
};

// Up to `count` distinct negatives for the positive at `positive`, each below its limit, drawn
// evenly from those mined.
std::vector<int32_t> DrawNegatives(const MinedQuery& mined, size_t positive, double ratio,
                                   size_t count, std::mt19937_64& random);

}  // namespace almagest::training
