// The temperature of the loss chosen by measurement, and how hard the negatives are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/training/synthetic_job.h"
#include "training/negative_hardness.h"
#include "training/run_job.h"

namespace almagest::training {
namespace {

// Documents in tight bunches: the neighbours of an answer are nearly as near as the answer, and how
// much the loss looks at them is a matter of its temperature.
SyntheticJob BunchedJob(uint64_t seed) {
  SyntheticJob job = MakeSyntheticJob(seed, 300, 500);
  const auto d = static_cast<size_t>(job.dimension);
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  for (size_t row = 0; row < 300; ++row) {
    float* own = job.documents.data() + row * d;
    const float* first = job.documents.data() + row / 6 * 6 * d;
    double square = 0;
    for (size_t i = 0; i < d; ++i) {
      own[i] = row % 6 == 0 ? own[i] : first[i] + static_cast<float>(0.1 * normal(random));
      square += own[i] * own[i];
    }
    for (size_t i = 0; i < d; ++i) own[i] = static_cast<float>(own[i] / std::sqrt(square));
  }
  std::vector<double> map(d * d);
  for (size_t i = 0; i < d * d; ++i) map[i] = 0.3 * normal(random) + (i % (d + 1) == 0 ? 1.0 : 0.0);
  for (size_t row = 0; row < 500; ++row) {
    const float* answer = job.documents.data() + static_cast<size_t>(job.document[row]) * d;
    for (size_t i = 0; i < d; ++i) {
      double value = 0.06 * normal(random);
      for (size_t j = 0; j < d; ++j) value += map[i * d + j] * answer[j];
      job.queries[row * d + i] = static_cast<float>(value);
    }
  }
  job.config["objective"] = "query_linear";
  job.config["options"]["steps_max"] = 100;
  job.config["options"]["learning_rate"] = 0.01;
  job.config["options"]["refit"] = false;
  return job;
}

TEST(Temperature, AutoComesWithinAHundredthOfTheBest) {
  SyntheticJob job = BunchedJob(1);
  const TemporaryFolder folder;
  const auto quality = [&](const nlohmann::json& temperature) {
    job.config["options"]["temperature"] = temperature;
    job.Write(folder.path());
    EXPECT_TRUE(RunJob(folder.path(), {}, Progress::Open(folder.path() / "p")->get()));
    return ReadJson(folder.path() / "report.json");
  };
  double best = 0;
  double worst = 1;
  for (const double temperature : {0.01, 0.0125, 0.02, 0.025, 0.035, 0.05, 0.07, 0.1, 0.14, 0.2}) {
    const double ndcg = quality(temperature)["metrics"]["trained"]["ndcg_at_10"]["mean"];
    best = std::max(best, ndcg);
    worst = std::min(worst, ndcg);
  }
  const auto report = quality("auto");
  const double chosen = report["metrics"]["trained"]["ndcg_at_10"]["mean"];
  EXPECT_GT(chosen, best - 0.01);
  EXPECT_LT(worst, best - 0.03);  // It matters here.
  EXPECT_GE(report["loss_curve"].size(), 3u);
  const auto& hardness = report["loss_curve"][0]["hardness"];
  double shares = 0;
  for (const double share : hardness["shares"]) shares += share;
  EXPECT_NEAR(shares, 1, 1e-4);
  EXPECT_GT(hardness["weight"], 0.0);
}

TEST(NegativeHardness, CountsMarginsAndWeighsThem) {
  MinedQuery first;
  first.positive_scores = {0.5f, 0.8f};
  first.negative_scores = {0.76f, 0.62f, 0.2f};
  MinedQuery second;
  second.positive_scores = {0.5f};
  NegativeHardness hardness;
  const std::vector<MinedQuery> mined = {first, second};
  hardness.Add(mined, 0.1, 1);
  EXPECT_EQ(hardness.counts, (std::array<size_t, 7>{1, 0, 0, 1, 0, 0, 1}));
  EXPECT_EQ(hardness.queries, 2u);
  const double weight = std::exp(-0.4) + std::exp(-1.8) + std::exp(-6.0);
  EXPECT_NEAR(hardness.weight, weight / 2, 1e-6);
  NegativeHardness half;
  half.Add(mined, 0.1, 2);  // Margins are half as large in these units.
  EXPECT_EQ(half.counts, (std::array<size_t, 7>{0, 1, 0, 0, 0, 1, 1}));
  hardness.Add(half);
  EXPECT_EQ(hardness.queries, 4u);
  EXPECT_NEAR(hardness.weight, (weight + std::exp(-0.2) + std::exp(-0.9) + std::exp(-3.0)) / 4,
              1e-6);
}

}  // namespace
}  // namespace almagest::training
