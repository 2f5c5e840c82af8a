// Fusion against values computed by hand.
#include "engine/search/fusion.h"

#include <gtest/gtest.h>

#include <cmath>

namespace almagest {
namespace {

using List = std::vector<RankedSlot>;

TEST(ReciprocalRankFusion, AddsReciprocalRanks) {
  const std::vector<List> lists = {{{1, 9}, {2, 8}, {3, 7}}, {{2, 0.3f}, {4, 0.2f}}};
  const List fused = FuseReciprocalRanks(lists, 60, {});
  ASSERT_EQ(fused.size(), 4u);
  // Slot 2: second in one list (1/61), first in the other (1/60).
  EXPECT_EQ(fused[0].slot, 2u);
  EXPECT_NEAR(fused[0].score, 1.0 / 61 + 1.0 / 60, 1e-7);
  EXPECT_EQ(fused[1].slot, 1u);
  EXPECT_NEAR(fused[1].score, 1.0 / 60, 1e-7);
  // Slots 4 (second: 1/61) and 3 (third: 1/62).
  EXPECT_EQ(fused[2].slot, 4u);
  EXPECT_EQ(fused[3].slot, 3u);
}

TEST(ReciprocalRankFusion, DefaultOfTwoGivesOneHalfToTheFirst) {
  const std::vector<List> lists = {{{7, 1}}};
  EXPECT_FLOAT_EQ(FuseReciprocalRanks(lists, 2, {})[0].score, 0.5f);
}

TEST(ReciprocalRankFusion, WeightStretchesRanks) {
  const std::vector<List> lists = {{{1, 1}}, {{2, 1}}};
  const std::vector<double> weights = {1.0, 3.0};
  const List fused = FuseReciprocalRanks(lists, 2, weights);
  EXPECT_EQ(fused[0].slot, 2u);
  EXPECT_FLOAT_EQ(fused[0].score, static_cast<float>(1.0 / (1.0 / 3 + 1)));
  EXPECT_FLOAT_EQ(fused[1].score, 0.5f);
}

TEST(ReciprocalRankFusion, TiesAreOrderedBySlot) {
  const std::vector<List> lists = {{{9, 1}}, {{3, 1}}};
  const List fused = FuseReciprocalRanks(lists, 60, {});
  EXPECT_EQ(fused[0].slot, 3u);
  EXPECT_EQ(fused[1].slot, 9u);
}

TEST(DistributionFusion, NormalisesByThreeDeviations) {
  // Scores 1, 2, 3: mean 2, sample deviation 1, so (x - (2 - 3)) / 6.
  const std::vector<List> lists = {{{1, 3}, {2, 2}, {3, 1}}};
  const List fused = FuseByDistribution(lists);
  EXPECT_FLOAT_EQ(fused[0].score, 4.0f / 6);
  EXPECT_FLOAT_EQ(fused[1].score, 3.0f / 6);
  EXPECT_FLOAT_EQ(fused[2].score, 2.0f / 6);
}

TEST(DistributionFusion, OneScoreOrEqualScoresGiveOneHalf) {
  EXPECT_FLOAT_EQ(FuseByDistribution(std::vector<List>{{{1, 42}}})[0].score, 0.5f);
  const List fused = FuseByDistribution(std::vector<List>{{{1, 7}, {2, 7}}});
  EXPECT_FLOAT_EQ(fused[0].score, 0.5f);
  EXPECT_FLOAT_EQ(fused[1].score, 0.5f);
}

TEST(MergeSegments, KeepsTheNewestRowOfASlotAndCuts) {
  const List merged = MergeSegments({{{1, 0.9f}, {2, 0.5f}}, {{1, 0.1f}, {3, 0.4f}}}, 2);
  ASSERT_EQ(merged.size(), 2u);
  EXPECT_EQ(merged[0].slot, 2u);
  EXPECT_EQ(merged[1].slot, 3u);
  EXPECT_TRUE(MergeSegments({}, 5).empty());
}

}  // namespace
}  // namespace almagest
