#include "engine/collection/optimizer_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace almagest {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;
using Kind = OptimizerStep::Kind;

SegmentSummary Sealed(uint64_t id, uint32_t rows, uint32_t deleted = 0, bool outdated = false) {
  return {id, true, false, rows, deleted, outdated};
}

TEST(OptimizerPolicyTest, SealsFrozenAndFullSegmentsFirst) {
  const OptimizerConfig config;
  const std::vector<SegmentSummary> segments = {Sealed(1, 100, 90, true),
                                                {2, false, false, 5, 0, false},
                                                {3, false, true, config.seal_rows, 0, false}};
  const auto step = NextStep(segments, config, {});
  ASSERT_TRUE(step);
  EXPECT_EQ(step->kind, Kind::kSeal);
  EXPECT_THAT(step->segments, ElementsAre(2, 3));
}

TEST(OptimizerPolicyTest, SealsASmallGrowingSegmentOnlyWhenIdle) {
  OptimizerConfig config;
  config.seal_rows = 100;
  const std::vector<SegmentSummary> tenth = {{1, false, true, 10, 0, false}};
  const std::vector<SegmentSummary> less = {{1, false, true, 9, 0, false}};
  EXPECT_FALSE(NextStep(tenth, config, {.idle = false, .reembedding_paused = false}));
  EXPECT_TRUE(NextStep(tenth, config, {.idle = true, .reembedding_paused = false}));
  EXPECT_FALSE(NextStep(less, config, {.idle = true, .reembedding_paused = false}));
}

TEST(OptimizerPolicyTest, ReembedsUnlessPaused) {
  const std::vector<SegmentSummary> segments = {Sealed(1, 100), Sealed(2, 100, 0, true)};
  const auto step = NextStep(segments, {}, {});
  ASSERT_TRUE(step);
  EXPECT_EQ(step->kind, Kind::kReembed);
  EXPECT_THAT(step->segments, ElementsAre(2));
  EXPECT_FALSE(NextStep(segments, {}, {.idle = false, .reembedding_paused = true}));
}

TEST(OptimizerPolicyTest, VacuumsAtTheThreshold) {
  EXPECT_FALSE(NextStep(std::vector{Sealed(1, 100, 19)}, {}, {}));
  const auto step = NextStep(std::vector{Sealed(1, 100, 20)}, {}, {});
  ASSERT_TRUE(step);
  EXPECT_EQ(step->kind, Kind::kVacuum);
}

TEST(OptimizerPolicyTest, SettingsChangeWhatIsDone) {
  OptimizerConfig config;
  config.vacuum_rows_min = 101;
  EXPECT_FALSE(NextStep(std::vector{Sealed(1, 100, 90)}, config, {}));
  EXPECT_TRUE(NextStep(std::vector{Sealed(1, 101, 90)}, config, {}));
  config.idle_seal_rows = 5;
  const std::vector<SegmentSummary> growing = {{1, false, true, 5, 0, false}};
  EXPECT_FALSE(NextStep(growing, config, {.idle = false, .reembedding_paused = false}));
  EXPECT_TRUE(NextStep(growing, config, {.idle = true, .reembedding_paused = false}));
  config.enabled = false;
  EXPECT_FALSE(NextStep(growing, config, {.idle = true, .reembedding_paused = false}));
}

TEST(OptimizerPolicyTest, MergesTheSmallestDownToTheLimit) {
  OptimizerConfig config;
  config.segments_max = 2;
  const std::vector<SegmentSummary> segments = {Sealed(1, 500), Sealed(2, 10), Sealed(3, 300),
                                                Sealed(4, 20)};
  const auto step = NextStep(segments, config, {});
  ASSERT_TRUE(step);
  EXPECT_EQ(step->kind, Kind::kMerge);
  EXPECT_THAT(step->segments, UnorderedElementsAre(2, 4, 3));
  config.merged_rows_max = 40;
  const auto limited = NextStep(segments, config, {});
  ASSERT_TRUE(limited);
  EXPECT_THAT(limited->segments, UnorderedElementsAre(2, 4));
  config.merged_rows_max = 29;
  EXPECT_FALSE(NextStep(segments, config, {}));
}

TEST(OptimizerPolicyTest, ComesToAnEnd) {
  for (uint32_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    OptimizerConfig config;
    config.segments_max = 1 + random() % 4;
    config.merged_rows_max = 100 + random() % 1000;
    std::vector<SegmentSummary> segments;
    for (uint64_t id = 1; id <= 20; ++id) {
      const auto rows = static_cast<uint32_t>(1 + random() % 300);
      segments.push_back({id, random() % 2 == 0, false, rows,
                          static_cast<uint32_t>(random() % (rows + 1)), random() % 2 == 0});
    }
    uint64_t next_id = 100;
    int steps = 0;
    while (const auto step = NextStep(segments, config, {})) {
      ASSERT_LT(++steps, 100);
      ASSERT_FALSE(step->segments.empty());
      SegmentSummary merged = Sealed(next_id++, 0);
      std::erase_if(segments, [&](const SegmentSummary& segment) {
        if (std::ranges::find(step->segments, segment.id) == step->segments.end()) return false;
        merged.rows += segment.live();
        return true;
      });
      if (merged.rows > 0) segments.push_back(merged);
    }
    for (const SegmentSummary& segment : segments) {
      EXPECT_TRUE(segment.sealed);
      EXPECT_FALSE(segment.outdated);
      EXPECT_LE(segment.deleted, config.deleted_fraction_max * segment.rows);
    }
  }
}

}  // namespace
}  // namespace almagest
