// Grades as targets (BiXSE) against the same judgements as yes and no, and what scores are worth.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/training/synthetic_job.h"
#include "training/drift_guard.h"
#include "training/evaluation.h"
#include "training/gate.h"
#include "training/recipe_training.h"
#include "training/relevance_scale.h"

namespace almagest::training {
namespace {

constexpr size_t kGradedDimension = 16;
constexpr size_t kGradedDocuments = 500;
constexpr size_t kGradedTrain = 300;
constexpr size_t kGradedQueries = 500;  // The rest judges.

// Queries see documents through a hidden map; grades 0 to 4 are steps of the similarity under it,
// with noise. Of a train query 16 documents are judged, of a test query all.
struct GradedSet {
  std::vector<float> documents, queries;
  std::vector<JudgedQuery> train, test;

  explicit GradedSet(uint64_t seed) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    const size_t d = kGradedDimension;
    const auto fill = [&](size_t rows, std::vector<float>* matrix) {
      for (size_t row = 0; row < rows; ++row) {
        std::vector<double> vector(d);
        double square = 0;
        for (double& value : vector) {
          value = normal(random);
          square += value * value;
        }
        for (const double value : vector) {
          matrix->push_back(static_cast<float>(value / std::sqrt(square)));
        }
      }
    };
    fill(kGradedDocuments, &documents);
    fill(kGradedQueries, &queries);
    std::vector<double> map(d * d);
    for (double& value : map) value = normal(random);
    for (size_t row = 0; row < kGradedQueries; ++row) {
      std::vector<double> wanted(d);
      double square = 0;
      for (size_t i = 0; i < d; ++i) {
        for (size_t j = 0; j < d; ++j) wanted[i] += map[i * d + j] * queries[row * d + j];
        square += wanted[i] * wanted[i];
      }
      JudgedQuery judged;
      judged.query = static_cast<int32_t>(row);
      std::vector<std::pair<double, int32_t>> order;
      for (size_t document = 0; document < kGradedDocuments; ++document) {
        double similarity = 0;
        for (size_t i = 0; i < d; ++i) {
          similarity += wanted[i] * documents[document * d + i] / std::sqrt(square);
        }
        const double seen = similarity + 0.05 * normal(random);
        const auto grade = static_cast<float>(std::clamp(std::ceil((seen - 0.3) / 0.1), 0.0, 4.0));
        order.emplace_back(-similarity, static_cast<int32_t>(document));
        judged.documents.push_back({static_cast<int32_t>(document), grade, 1});
      }
      if (row < kGradedTrain) {
        // Half from the nearest 30, half from the nearest 120.
        std::ranges::sort(order);
        std::vector<JudgedDocument> some;
        for (size_t i = 0; i < 16; ++i) {
          const size_t at = random() % (i < 8 ? 30 : 120);
          some.push_back(judged.documents[static_cast<size_t>(order[at].second)]);
        }
        std::ranges::sort(some, {}, &JudgedDocument::document);
        const auto repeated = std::ranges::unique(some, {}, &JudgedDocument::document);
        some.erase(repeated.begin(), repeated.end());
        judged.documents = std::move(some);
      }
      if (judged.HasRelevant()) (row < kGradedTrain ? train : test).push_back(std::move(judged));
    }
  }
};

std::vector<JudgedQuery> AboveGrade(std::vector<JudgedQuery> judged, float limit) {
  for (JudgedQuery& query : judged) {
    for (JudgedDocument& entry : query.documents) entry.grade = entry.grade > limit ? 1 : 0;
  }
  std::erase_if(judged, [](const JudgedQuery& query) { return !query.HasRelevant(); });
  return judged;
}

TEST(GradedLoss, BeatsYesAndNoAndItsScoresAreCalibrated) {
  for (const uint64_t seed : {1, 2}) {
    SCOPED_TRACE(seed);
    const GradedSet set(seed);
    JobConfig config;
    config.dimension = kGradedDimension;
    config.options.batch_size = 64;
    config.options.random_negatives = 64;
    config.options.learning_rate = 0.01;
    const auto space = *VectorSpace::Create(
        set.documents, set.queries, {config.dimension, Distance::kCosine, DeviceChoice::kCpu, 1});
    const TemporaryFolder folder;
    const auto progress = *Progress::Open(folder.path() / "progress.jsonl");
    Candidate recipe;
    recipe.start = LinearAdapter::Identity(config.dimension);
    recipe.maps_documents = false;
    recipe.steps = 200;
    LinearAdapter map;
    const auto train = [&](const std::vector<JudgedQuery>& judged, bool graded) {
      config.options.graded_loss = graded;
      map = *TrainRecipe(*space, judged, recipe, config, 1, progress.get());
      return Column(Evaluate(*space, map, map, set.test, 10, true, {}), &QueryMetrics::ndcg_at_10);
    };
    std::vector<double> binary;  // The best of what yes and no can do.
    for (const float limit : {0, 1, 2}) {
      for (const double temperature : {0.05, 0.2}) {
        recipe.temperature = temperature;
        auto ndcg = train(AboveGrade(set.train, limit), false);
        if (Mean(ndcg) > Mean(binary)) binary = std::move(ndcg);
      }
    }
    recipe.temperature = 0;
    std::vector<int32_t> rows;
    for (const JudgedQuery& query : set.test) rows.push_back(query.query);
    const Interval gain = PairedGain(train(set.train, true), binary, rows);
    EXPECT_GT(gain.low, 0) << gain.mean;
    const ScoredResults found = FindScored(*space, map, rows, {});
    const RelevanceScale relevance = FitRelevance(found.documents, found.scores, set.test, rows, 4);
    EXPECT_LT(relevance.expected_calibration_error, 0.05);
    EXPECT_GT(relevance.Relevance(0.9), relevance.Relevance(0.5) + 0.2);
  }
}

TEST(RelevanceScale, FindsThePlantedCurveAndItsError) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform;
  std::vector<float> scores, targets;
  std::vector<int32_t> group;
  const RelevanceScale planted{8, -3, 0};
  for (int i = 0; i < 20'000; ++i) {
    scores.push_back(static_cast<float>(uniform(random)));
    targets.push_back(uniform(random) < planted.Relevance(scores.back()) ? 1.0f : 0.0f);
    group.push_back(i / 10);
  }
  const RelevanceScale fitted = FitRelevance(scores, targets, group);
  EXPECT_NEAR(fitted.scale, 8, 0.5);
  EXPECT_NEAR(fitted.bias, -3, 0.2);
  EXPECT_LT(fitted.expected_calibration_error, 0.02);
  // Estimates that are all too high by .2 err by .2.
  const std::vector<double> high(100, 0.7);
  std::vector<float> half(100, 0.0f);
  std::fill_n(half.begin(), 50, 1.0f);
  EXPECT_NEAR(ExpectedCalibrationError(high, half), 0.2, 1e-6);
  // Scores that say nothing, or the opposite: the mean, whatever the score.
  for (float& target : targets) target = uniform(random) < 0.25 ? 1.0f : 0.0f;
  EXPECT_NEAR(FitRelevance(scores, targets, group).Relevance(0.5), 0.25, 0.02);
  for (size_t i = 0; i < scores.size(); ++i) targets[i] = scores[i] < 0.5f ? 1.0f : 0.0f;
  EXPECT_EQ(FitRelevance(scores, targets, group).scale, 0);
  // One score tells everything: still finite.
  for (size_t i = 0; i < scores.size(); ++i) targets[i] = scores[i] < 0.5f ? 0.0f : 1.0f;
  EXPECT_TRUE(std::isfinite(FitRelevance(scores, targets, group).scale));
}

}  // namespace
}  // namespace almagest::training
