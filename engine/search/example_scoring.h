// Scores of queries by example (engine/query.h): what the similarities to several examples make of
// a point. Formulas are Qdrant's, in float32 and in its order, so that scores print the same.
//
// All functions are pure. `similarities` has one list per example, each with one value per point;
// the result has one value per point, larger is better.
#pragma once

#include <span>
#include <vector>

namespace almagest {

using Similarities = std::vector<std::vector<float>>;

// At least one positive or negative; `points` values in each list.
std::vector<float> BestScores(const Similarities& positive, const Similarities& negative,
                              size_t points);
std::vector<float> SumScores(const Similarities& positive, const Similarities& negative,
                             size_t points);
// `positive[i]` and `negative[i]` are a pair.
std::vector<float> ContextScores(const Similarities& positive, const Similarities& negative,
                                 size_t points);
std::vector<float> DiscoverScores(std::span<const float> target, const Similarities& positive,
                                  const Similarities& negative);

// The vector of the average strategy: avg(positive), or 2 avg(positive) - avg(negative). All of one
// length; `positive` is not empty.
std::vector<float> AverageExample(std::span<const std::vector<float>> positive,
                                  std::span<const std::vector<float>> negative);

}  // namespace almagest
