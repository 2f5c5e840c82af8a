#include "engine/index/top_k.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Random;

TEST(TopKTest, AgreesWithSortingWhateverTheOrder) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t k = Below(random, 20);
    std::vector<ScoredRow> all;
    for (uint32_t row = 0; row < Below(random, 60); ++row) {
      all.push_back({row, static_cast<float>(Below(random, 6)) - 3.0f});  // Many ties.
    }
    std::shuffle(all.begin(), all.end(), random);
    TopK top(k);
    for (const ScoredRow& row : all) {
      const bool accepts = top.Accepts(row.score, row.row);
      EXPECT_EQ(top.Push(row.row, row.score), accepts);
    }
    std::sort(all.begin(), all.end(), ComesBefore);
    if (all.size() > k) all.resize(k);
    if (k > 0 && all.size() == k) {
      EXPECT_EQ(top.threshold(), all.back().score);
    }
    EXPECT_EQ(top.Take(), all);
    EXPECT_EQ(top.count(), 0u);
  }
}

TEST(TopKTest, NothingForZeroAndNanIsLast) {
  TopK none(0);
  EXPECT_FALSE(none.Push(1, 5.0f));
  EXPECT_TRUE(none.full());
  EXPECT_EQ(none.threshold(), std::numeric_limits<float>::infinity());
  TopK two(2);
  EXPECT_EQ(two.threshold(), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(two.Push(1, std::nanf("")));
  EXPECT_TRUE(two.Push(2, -1.0f));
  EXPECT_TRUE(two.Push(3, -2.0f));
  const auto rows = two.Take();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].row, 2u);
  EXPECT_EQ(rows[1].row, 3u);
}

}  // namespace
}  // namespace almagest
