#include "engine/search/example_scoring.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace almagest {
namespace {

constexpr float kWorst = -std::numeric_limits<float>::infinity();

// x / (1 + |x|): between -1 and 1, and cheap.
float FastSigmoid(float x) { return x / (1.0f + std::abs(x)); }
// The same between 0 and 1.
float ScaledSigmoid(float x) { return 0.5f * (FastSigmoid(x) + 1.0f); }

std::vector<float> Largest(const Similarities& lists, size_t points) {
  std::vector<float> largest(points, kWorst);
  for (const std::vector<float>& list : lists) {
    for (size_t i = 0; i < points; ++i) largest[i] = std::max(largest[i], list[i]);
  }
  return largest;
}

void AddMean(std::span<const std::vector<float>> vectors, float factor, std::vector<float>& sum) {
  for (size_t i = 0; i < sum.size(); ++i) {
    float total = 0;
    for (const std::vector<float>& vector : vectors) total += vector[i];
    sum[i] += factor * (total / static_cast<float>(vectors.size()));
  }
}

}  // namespace

std::vector<float> BestScores(const Similarities& positive, const Similarities& negative,
                              size_t points) {
  const std::vector<float> best = Largest(positive, points);
  const std::vector<float> worst = Largest(negative, points);
  std::vector<float> scores(points);
  for (size_t i = 0; i < points; ++i) {
    scores[i] = best[i] > worst[i] ? ScaledSigmoid(best[i]) : -ScaledSigmoid(worst[i]);
  }
  return scores;
}

std::vector<float> SumScores(const Similarities& positive, const Similarities& negative,
                             size_t points) {
  std::vector<float> liked(points), disliked(points);
  for (const std::vector<float>& list : positive) {
    for (size_t i = 0; i < points; ++i) liked[i] += list[i];
  }
  for (const std::vector<float>& list : negative) {
    for (size_t i = 0; i < points; ++i) disliked[i] += list[i];
  }
  for (size_t i = 0; i < points; ++i) liked[i] -= disliked[i];
  return liked;
}

std::vector<float> ContextScores(const Similarities& positive, const Similarities& negative,
                                 size_t points) {
  std::vector<float> scores(points);
  for (size_t pair = 0; pair < positive.size(); ++pair) {
    for (size_t i = 0; i < points; ++i) {
      const float difference =
          positive[pair][i] - negative[pair][i] - std::numeric_limits<float>::epsilon();
      scores[i] += FastSigmoid(std::min(difference, 0.0f));
    }
  }
  return scores;
}

std::vector<float> DiscoverScores(std::span<const float> target, const Similarities& positive,
                                  const Similarities& negative) {
  std::vector<float> scores(target.size());
  for (size_t i = 0; i < target.size(); ++i) {
    int rank = 0;
    for (size_t pair = 0; pair < positive.size(); ++pair) {
      if (positive[pair][i] > negative[pair][i]) ++rank;
      if (positive[pair][i] < negative[pair][i]) --rank;
    }
    scores[i] = static_cast<float>(rank) + ScaledSigmoid(target[i]);
  }
  return scores;
}

std::vector<float> FeedbackScores(std::span<const float> target,
                                  std::span<const std::vector<float>> examples,
                                  std::span<const float> feedback, const FeedbackFactors& factors) {
  constexpr size_t kPairsMax = 3;
  std::vector<size_t> order(feedback.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater(), [&](size_t i) { return feedback[i]; });
  std::vector<float> scores(target.size());
  for (size_t i = 0; i < scores.size(); ++i) scores[i] = factors.a * target[i];
  for (size_t pair = 0; pair < std::min(kPairsMax, order.size() / 2); ++pair) {
    const size_t better = order[pair];
    const size_t worse = order[order.size() - 1 - pair];
    const float weight = std::pow(feedback[better] - feedback[worse], factors.b) * factors.c;
    for (size_t i = 0; i < scores.size(); ++i) {
      scores[i] += weight * (examples[better][i] - examples[worse][i]);
    }
  }
  return scores;
}

std::vector<float> MeanSimilarity(const Similarities& similarities, size_t points) {
  std::vector<float> mean(points);
  AddMean(similarities, 1.0f, mean);
  return mean;
}

std::vector<float> SetScores(const Similarities& all, const Similarities& any,
                             const Similarities& none, size_t points) {
  const std::vector<float> best = Largest(any, points);
  const std::vector<float> excluded = Largest(none, points);
  std::vector<float> scores =
      any.empty() ? std::vector<float>(points, std::numeric_limits<float>::infinity()) : best;
  for (const std::vector<float>& list : all) {
    for (size_t i = 0; i < points; ++i) scores[i] = std::min(scores[i], list[i]);
  }
  for (size_t i = 0; i < points; ++i) scores[i] -= std::max(0.0f, excluded[i]);
  return scores;
}

std::vector<float> AverageExample(std::span<const std::vector<float>> positive,
                                  std::span<const std::vector<float>> negative) {
  std::vector<float> average(positive.front().size());
  AddMean(positive, negative.empty() ? 1.0f : 2.0f, average);
  if (!negative.empty()) AddMean(negative, -1.0f, average);
  return average;
}

}  // namespace almagest
