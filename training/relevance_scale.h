// What a score is worth: a curve from the score of a result to its expected relevance, and how far
// that curve can be believed.
#pragma once

#include <cstdint>
#include <span>

#include "training/judgements.h"

namespace almagest::training {

// sigmoid(scale * score + bias) is the expected grade of a result, as a share of the highest one.
struct RelevanceScale {
  double scale = 0;
  double bias = 0;
  // Of results of queries that the curve was not fitted to: the mean distance between what it says
  // and the mean grade, over ten equal parts of the results by what it says.
  double expected_calibration_error = 0;

  double Relevance(double score) const;
};

// Logistic regression (Platt 1999) on results of known grade: `scores`, and `targets` from 0 to 1,
// in parallel; results of one `group` (of near-identical queries) are never on both sides when the
// error is measured, by two halves that take turns. The scale is at least 0: more is not less.
// Cost: O(n) and a few passes.
RelevanceScale FitRelevance(std::span<const float> scores, std::span<const float> targets,
                            std::span<const int32_t> group);

// From the first results of judged queries, entry [i * depth + r] for rank r of query i; what
// nobody judged counts as not relevant. `grade_max` > 0 is the grade that stands for 1.
RelevanceScale FitRelevance(std::span<const int32_t> documents, std::span<const float> scores,
                            std::span<const JudgedQuery> judged, std::span<const int32_t> group,
                            double grade_max);

// The error above, for any estimates and targets in 0..1.
double ExpectedCalibrationError(std::span<const double> estimates, std::span<const float> targets);

}  // namespace almagest::training
