// What is known about which documents answer which queries, grouped by query.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace almagest::training {

// One (query, document) pair. Several judgements of the same pair (different users) become one:
// the weights add up, the grade is their weighted mean.
struct JudgedDocument {
  int32_t document = 0;
  float grade = 0;   // > 0: relevant. <= 0: judged and found not relevant.
  float weight = 0;  // > 0; corrected for position bias and capped per user by the sender.
};

struct JudgedQuery {
  int32_t query = 0;
  std::vector<JudgedDocument> documents;  // Sorted by document, each once.

  bool HasRelevant() const;
  // What the query counts for where versions are compared: its heaviest judgement, at most 1. So a
  // user whose weight was cut down cannot decide by many queries what a few judgements may not.
  double Weight() const;
};

// The judgement columns of a job folder, all of the same length.
struct JudgementColumns {
  std::span<const int32_t> query;
  std::span<const int32_t> document;
  std::span<const float> grade;
  std::span<const float> weight;
  std::span<const int32_t> user;  // -1: none.
};

// Sorted by query; queries without any relevant document are left out, since neither the loss nor
// a metric is defined for them. Cost: O(J log J).
std::vector<JudgedQuery> GroupJudgements(const JudgementColumns& columns);

// The largest share of the summed weight that one user accounts for, 0..1; judgements without a
// user count in the sum only.
double LargestUserShare(const JudgementColumns& columns);

}  // namespace almagest::training
