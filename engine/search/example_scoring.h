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

// Relevance feedback (RelevanceFeedbackQuery): `examples[i]` got `feedback[i]`; larger is better.
struct FeedbackFactors {
  float a = 1, b = 0, c = 0;
};
std::vector<float> FeedbackScores(std::span<const float> target,
                                  std::span<const std::vector<float>> examples,
                                  std::span<const float> feedback, const FeedbackFactors& factors);

// Sets (SetQuery): one list per set. `all` or `any` is not empty.
std::vector<float> SetScores(const Similarities& all, const Similarities& any,
                             const Similarities& none, size_t points);
// Of a set to each point: the mean over its examples, of which there is one at least.
std::vector<float> MeanSimilarity(const Similarities& similarities, size_t points);

// The vector of the average strategy: avg(positive), or 2 avg(positive) - avg(negative). All of one
// length; `positive` is not empty.
std::vector<float> AverageExample(std::span<const std::vector<float>> positive,
                                  std::span<const std::vector<float>> negative);

}  // namespace almagest
