// Retrieval quality of one ranked list against judgements. Pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/learning/evaluation.h"
#include "engine/types.h"

namespace almagest {

enum class Gain { kLinear, kExponential };  // g, or 2^g - 1 (Burges et al. 2005).

// The judgements of one query: the highest grade where a point is judged twice. Grades of 0 or
// less are not relevant and gain nothing; unjudged points likewise.
class GradedPoints {
 public:
  explicit GradedPoints(std::span<const JudgedPoint> judgements);
  size_t relevant_count() const { return descending_.size(); }

  // Discounted gain of the first k against that of the best possible order (Jarvelin & Kekalainen
  // 2002), 0..1; 0 without a relevant point. Discount: log2(rank + 1).
  double Ndcg(std::span<const PointId> ranking, size_t k, Gain gain) const;
  // Share of the relevant points that are among the first k.
  double Recall(std::span<const PointId> ranking, size_t k) const;
  // 1 / rank of the first relevant point; 0 when none is among the first k.
  double ReciprocalRank(std::span<const PointId> ranking, size_t k) const;

 private:
  std::unordered_map<PointId, double, PointIdHash> grades_;  // Relevant ones only.
  std::vector<double> descending_;
};

}  // namespace almagest
