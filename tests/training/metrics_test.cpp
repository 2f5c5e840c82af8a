#include "training/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace almagest::training {
namespace {

TEST(MeasureRanking, MatchesHandComputedValues) {
  // Relevant: 3 (grade 2), 5 (grade 1), 9 (grade 1). 7 is judged not relevant.
  const std::vector<JudgedDocument> judged = {{3, 2, 1}, {5, 1, 1}, {7, 0, 1}, {9, 1, 1}};
  std::vector<int32_t> ranking = {7, 5, 1, 3};  // Gains 0, 1, 0, 2.
  for (int32_t filler = 100; ranking.size() < 50; ++filler) ranking.push_back(filler);
  ranking.push_back(9);  // Rank 51: counts for Recall@100 only.
  const QueryMetrics metrics = MeasureRanking(ranking, judged);
  const double ideal = 2 / std::log2(2) + 1 / std::log2(3) + 1 / std::log2(4);
  EXPECT_NEAR(metrics.ndcg_at_10, (1 / std::log2(3) + 2 / std::log2(5)) / ideal, 1e-12);
  EXPECT_NEAR(metrics.recall_at_10, 2.0 / 3, 1e-12);
  EXPECT_NEAR(metrics.recall_at_100, 1, 1e-12);
  EXPECT_NEAR(metrics.mrr_at_10, 0.5, 1e-12);
}

TEST(MeasureRanking, IsOneForThePerfectRankingAndZeroWithoutRelevantDocuments) {
  const std::vector<JudgedDocument> judged = {{1, 1, 1}, {2, 3, 1}};
  EXPECT_DOUBLE_EQ(MeasureRanking(std::vector<int32_t>{2, 1}, judged).ndcg_at_10, 1);
  EXPECT_LT(MeasureRanking(std::vector<int32_t>{1, 2}, judged).ndcg_at_10, 1);
  const std::vector<JudgedDocument> negative = {{1, 0, 1}, {2, -1, 1}};
  EXPECT_EQ(MeasureRanking(std::vector<int32_t>{2, 1}, negative).ndcg_at_10, 0);
  EXPECT_EQ(MeasureRanking({}, judged).recall_at_100, 0);
}

}  // namespace
}  // namespace almagest::training
