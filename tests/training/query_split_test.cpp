#include "training/query_split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace almagest::training {
namespace {

TEST(SplitQueries, KeepsEveryGroupWholeAndEveryQueryOnce) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const size_t count = 50 + random() % 400;
    std::vector<std::pair<int32_t, int32_t>> near;
    for (size_t i = random() % count; i > 0; --i) {
      near.emplace_back(random() % count, random() % count);
    }
    const QuerySplit split = SplitQueries(count, near, 0.1, 0.2, seed);
    std::vector<char> set_of(count, 0);
    for (const auto& [name, rows] : std::map<char, std::vector<size_t>>{
             {'t', split.train}, {'v', split.validation}, {'h', split.held_out}}) {
      EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
      for (const size_t row : rows) {
        EXPECT_EQ(set_of[row], 0);
        set_of[row] = name;
      }
    }
    EXPECT_THAT(set_of, testing::Each(testing::Ne(0)));
    for (const auto& [a, b] : near) {
      EXPECT_EQ(set_of[static_cast<size_t>(a)], set_of[static_cast<size_t>(b)]);
      EXPECT_EQ(split.group[static_cast<size_t>(a)], split.group[static_cast<size_t>(b)]);
    }
    EXPECT_LE(split.held_out.size(), count / 5 + 1);
    EXPECT_LE(split.validation.size(), count / 10 + 1);
  }
}

TEST(SplitQueries, MeetsTheFractionsWithoutGroupsAndDependsOnTheSeed) {
  const QuerySplit split = SplitQueries(1000, {}, 0.1, 0.15, 1);
  EXPECT_EQ(split.held_out.size(), 150);
  EXPECT_EQ(split.validation.size(), 100);
  EXPECT_EQ(split.train.size(), 750);
  EXPECT_EQ(split.held_out, SplitQueries(1000, {}, 0.1, 0.15, 1).held_out);
  EXPECT_NE(split.held_out, SplitQueries(1000, {}, 0.1, 0.15, 2).held_out);
}

TEST(SplitQueries, OneHugeGroupGoesToTrain) {
  std::vector<std::pair<int32_t, int32_t>> chain;
  for (int32_t i = 0; i + 1 < 90; ++i) chain.emplace_back(i, i + 1);
  const QuerySplit split = SplitQueries(100, chain, 0.05, 0.05, 3);
  EXPECT_EQ(split.train.size(), 90);
  EXPECT_EQ(split.held_out.size(), 5);
}

}  // namespace
}  // namespace almagest::training
