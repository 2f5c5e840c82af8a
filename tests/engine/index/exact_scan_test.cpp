#include "engine/index/exact_scan.h"

#include <gtest/gtest.h>

#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Random;

TEST(ExactScanTest, AllThreeScansAgreeWithSorting) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const auto count = static_cast<uint32_t>(Below(random, 3000));
    const auto dimension = static_cast<uint32_t>(1 + Below(random, 40));
    auto data = index_test::RandomRows(random, count, dimension, false, Below(random, 2) * 0.2);
    if (Below(random, 2) == 0) {
      for (float& value : data.values) value = std::round(value);  // Ties.
    }
    GrowingRows growing(dimension);
    for (uint32_t row = 0; row < count; ++row) {
      growing.Append(data.Present(row) ? std::span(data.Row(row), dimension)
                                       : std::span<const float>{});
    }
    AtomicBitmap deleted(count);
    for (uint32_t row = 0; row < count; ++row) {
      if (Below(random, 5) == 0) deleted.Set(row);
    }
    const auto allowed = index_test::RandomBitmap(random, count, 0.3);
    const auto values = index_test::RandomVector(random, dimension, false);
    std::vector<float> scale(count);
    std::vector<float> offset(count);
    for (float& s : scale) s = static_cast<float>(Below(random, 5));
    for (float& o : offset) o = static_cast<float>(Below(random, 3));

    DenseQuery query;
    query.metric = static_cast<Metric>(Below(random, 3));
    query.query = values.data();
    query.k = Below(random, 30);
    if (Below(random, 2) == 0) query.filter.deleted_words = deleted.words();
    if (Below(random, 2) == 0) query.filter.allowed_words = allowed.data();
    if (Below(random, 3) == 0) query.filter.row_limit = static_cast<uint32_t>(Below(random, 3000));
    if (query.metric == Metric::kDot && Below(random, 2) == 0) {
      query.adjustment = {scale.data(), offset.data(), 0.5f};
    }
    const auto expected = index_test::NaiveDense(data, query);
    const auto contiguous = ExactScan(data.View(), query);
    ASSERT_TRUE(contiguous.has_value());
    EXPECT_EQ(*contiguous, expected);
    const auto chunked = ExactScan(growing, query);
    ASSERT_TRUE(chunked.has_value());
    EXPECT_EQ(*chunked, expected);

    std::vector<uint32_t> candidates;
    for (uint32_t row = 0; row < count; ++row) {
      if ((allowed[row / 64] >> (row % 64)) & 1) candidates.push_back(row);
    }
    std::shuffle(candidates.begin(), candidates.end(), random);
    const auto listed = ExactScanRows(data.View(), query, candidates);
    query.filter.allowed_words = allowed.data();
    ASSERT_TRUE(listed.has_value());
    EXPECT_EQ(*listed, index_test::NaiveDense(data, query));
  }
}

TEST(ExactScanTest, StopsWhenToldTo) {
  Random random(1);
  const auto data = index_test::RandomRows(random, 100, 4, false);
  const std::atomic<bool> stop{true};
  DenseQuery query;
  query.query = data.Row(0);
  query.cancel.stop = &stop;
  const auto scan = ExactScan(data.View(), query);
  ASSERT_FALSE(scan.has_value());
  EXPECT_EQ(scan.error().code, ErrorCode::kTimeout);
  GrowingRows growing(4);
  EXPECT_EQ(ExactScan(growing, query).error().code, ErrorCode::kTimeout);
  EXPECT_EQ(ExactScanRows(data.View(), query, {}).error().code, ErrorCode::kTimeout);
}

}  // namespace
}  // namespace almagest
