#include "engine/index/row_filter.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Random;

TEST(AtomicBitmapTest, SetsOnceAndCounts) {
  AtomicBitmap bitmap(130);
  EXPECT_EQ(bitmap.Count(), 0u);
  EXPECT_TRUE(bitmap.Set(129));
  EXPECT_FALSE(bitmap.Set(129));
  EXPECT_TRUE(bitmap.Set(0));
  EXPECT_TRUE(bitmap.Test(129));
  EXPECT_FALSE(bitmap.Test(128));
  EXPECT_EQ(bitmap.Count(), 2u);
  EXPECT_DEATH(bitmap.Set(130), "");
}

TEST(AtomicBitmapTest, ThreadsSetEveryBitExactlyOnce) {
  AtomicBitmap bitmap(10'000);
  std::atomic<size_t> first_sets{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (size_t bit = 0; bit < bitmap.bits(); ++bit) first_sets += bitmap.Set(bit) ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(first_sets, bitmap.bits());
  EXPECT_EQ(bitmap.Count(), bitmap.bits());
}

TEST(RowFilterTest, WordsAndCountsAgreeWithSingleRows) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const auto rows = static_cast<uint32_t>(Below(random, 300));
    AtomicBitmap deleted(rows);
    for (uint32_t row = 0; row < rows; ++row) {
      if (Below(random, 4) == 0) deleted.Set(row);
    }
    const auto allowed = index_test::RandomBitmap(random, rows, 0.6);
    RowFilter filter;
    if (Below(random, 2) == 0) filter.deleted_words = deleted.words();
    if (Below(random, 2) == 0) filter.allowed_words = allowed.data();
    if (Below(random, 2) == 0) filter.row_limit = static_cast<uint32_t>(Below(random, 320));
    const uint32_t limit = std::min(rows, filter.row_limit);
    size_t count = 0;
    for (uint32_t row = 0; row < rows; ++row) {
      const bool counts = filter.Counts(row);
      count += counts ? 1 : 0;
      EXPECT_EQ((filter.Word(row / 64, limit) >> (row % 64)) & 1, counts ? 1u : 0u);
      bool expected = row < filter.row_limit;
      if (filter.deleted_words != nullptr && deleted.Test(row)) expected = false;
      if (filter.allowed_words != nullptr && ((allowed[row / 64] >> (row % 64)) & 1) == 0) {
        expected = false;
      }
      EXPECT_EQ(counts, expected) << row;
    }
    EXPECT_EQ(filter.CountMatches(rows), count);
  }
}

TEST(CancelCheckTest, StopsByFlagAndByTime) {
  EXPECT_FALSE(CancelCheck{}.Expired());
  std::atomic<bool> stop{false};
  CancelCheck check{&stop, std::chrono::steady_clock::time_point::max()};
  EXPECT_FALSE(check.Expired());
  stop = true;
  EXPECT_TRUE(check.Expired());
  EXPECT_TRUE((CancelCheck{nullptr, std::chrono::steady_clock::time_point::min()}).Expired());
}

}  // namespace
}  // namespace almagest
