#include "engine/learning/ranking_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace almagest {
namespace {

std::vector<PointId> Points(std::initializer_list<uint64_t> ids) {
  return std::vector<PointId>(ids.begin(), ids.end());
}

TEST(RankingMetrics, MatchesHandComputedValues) {
  // Grades: 1 -> 3, 2 -> 1, 3 -> 2, 4 judged not relevant. Ranking: 4, 2, 9, 1.
  const std::vector<JudgedPoint> judged = {
      {uint64_t{1}, 3}, {uint64_t{2}, 1}, {uint64_t{3}, 2}, {uint64_t{4}, 0}};
  const GradedPoints graded(judged);
  const auto ranking = Points({4, 2, 9, 1});
  EXPECT_EQ(graded.relevant_count(), 3u);
  const double ideal = 3 / 1.0 + 2 / std::log2(3) + 1 / 2.0;
  EXPECT_NEAR(graded.Ndcg(ranking, 10, Gain::kLinear),
              (1 / std::log2(3) + 3 / std::log2(5)) / ideal, 1e-12);
  const double ideal_exponential = 7 / 1.0 + 3 / std::log2(3) + 1 / 2.0;
  EXPECT_NEAR(graded.Ndcg(ranking, 10, Gain::kExponential),
              (1 / std::log2(3) + 7 / std::log2(5)) / ideal_exponential, 1e-12);
  // Cut off before the point of grade 3.
  EXPECT_NEAR(graded.Ndcg(ranking, 3, Gain::kLinear), (1 / std::log2(3)) / ideal, 1e-12);
  EXPECT_NEAR(graded.Recall(ranking, 3), 1.0 / 3, 1e-12);
  EXPECT_NEAR(graded.Recall(ranking, 100), 2.0 / 3, 1e-12);
  EXPECT_EQ(graded.ReciprocalRank(ranking, 10), 0.5);
  EXPECT_EQ(graded.ReciprocalRank(ranking, 1), 0);
}

TEST(RankingMetrics, TheBestOrderScoresOneAndNothingFoundScoresZero) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    std::vector<JudgedPoint> judged;
    for (uint64_t i = 0; i < 1 + random() % 20; ++i) {
      judged.push_back({i, 1 + static_cast<double>(random() % 9)});
    }
    const GradedPoints graded(judged);
    std::sort(judged.begin(), judged.end(),
              [](const auto& a, const auto& b) { return a.grade > b.grade; });
    std::vector<PointId> best;
    for (const JudgedPoint& point : judged) best.push_back(point.id);
    for (const Gain gain : {Gain::kLinear, Gain::kExponential}) {
      EXPECT_NEAR(graded.Ndcg(best, 10, gain), 1, 1e-12);
      EXPECT_EQ(graded.Ndcg(Points({100, 101}), 10, gain), 0);
      auto shuffled = best;
      std::shuffle(shuffled.begin(), shuffled.end(), random);
      EXPECT_LE(graded.Ndcg(shuffled, 10, gain), 1 + 1e-12);
    }
    EXPECT_EQ(graded.ReciprocalRank(best, 10), 1);
    EXPECT_EQ(graded.Recall(best, 100), 1);
  }
}

TEST(RankingMetrics, WithoutRelevantPointsEverythingIsZero) {
  const GradedPoints graded(std::vector<JudgedPoint>{{uint64_t{1}, 0}, {uint64_t{2}, -3}});
  EXPECT_EQ(graded.relevant_count(), 0u);
  EXPECT_EQ(graded.Ndcg(Points({1, 2}), 10, Gain::kLinear), 0);
  EXPECT_EQ(graded.Recall(Points({1, 2}), 10), 0);
  EXPECT_EQ(graded.ReciprocalRank(Points({1, 2}), 10), 0);
}

TEST(RankingMetrics, APointJudgedTwiceCountsOnceWithItsHighestGrade) {
  const GradedPoints graded(
      std::vector<JudgedPoint>{{uint64_t{1}, 1}, {uint64_t{1}, 4}, {uint64_t{1}, 2}});
  EXPECT_EQ(graded.relevant_count(), 1u);
  EXPECT_EQ(graded.Recall(Points({1}), 10), 1);
  EXPECT_NEAR(graded.Ndcg(Points({2, 1}), 10, Gain::kLinear), 1 / std::log2(3), 1e-12);
}

}  // namespace
}  // namespace almagest
