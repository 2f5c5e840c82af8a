#include "engine/index/dense_rows.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Random;

TEST(DenseRowsViewTest, RefusesSizesThatDoNotFit) {
  const std::vector<float> rows(12);
  const std::vector<uint64_t> present(1);
  const auto bytes = std::as_bytes(std::span(rows));
  const auto fits = DenseRowsView::FromBytes(bytes, 4, 3, std::as_bytes(std::span(present)));
  ASSERT_TRUE(fits.has_value());
  EXPECT_FALSE(fits->Present(0));
  EXPECT_EQ(fits->Row(2), rows.data() + 6);
  const auto code = [](const Result<DenseRowsView>& result) { return result.error().code; };
  EXPECT_EQ(code(DenseRowsView::FromBytes(bytes, 5, 3)), ErrorCode::kCorruption);
  EXPECT_EQ(code(DenseRowsView::FromBytes(bytes, 0, 0)), ErrorCode::kCorruption);
  EXPECT_EQ(code(DenseRowsView::FromBytes(bytes.subspan(1, 24), 2, 3)), ErrorCode::kCorruption);
  EXPECT_EQ(code(DenseRowsView::FromBytes(bytes, 4, 3, bytes.first(16))), ErrorCode::kCorruption);
}

TEST(GrowingRowsTest, KeepsRowsAndAddresses) {
  Random random(3);
  GrowingRows rows(5);
  EXPECT_EQ(rows.count(), 0u);
  EXPECT_EQ(rows.ReservedBytes(), 0u);
  std::vector<std::vector<float>> expected;
  std::vector<const float*> addresses;
  for (uint32_t i = 0; i < 5000; ++i) {
    expected.push_back(Below(random, 7) == 0 ? std::vector<float>{}
                                             : index_test::RandomVector(random, 5, false));
    ASSERT_EQ(rows.Append(expected.back()), i);
    addresses.push_back(rows.Row(i));
  }
  ASSERT_EQ(rows.count(), 5000u);
  EXPECT_GE(rows.ReservedBytes(), 5000u * 5 * sizeof(float));
  for (uint32_t i = 0; i < 5000; ++i) {
    ASSERT_EQ(rows.Row(i), addresses[i]);
    ASSERT_EQ(rows.Row(i) == nullptr, expected[i].empty());
    if (!expected[i].empty()) {
      ASSERT_TRUE(std::equal(expected[i].begin(), expected[i].end(), rows.Row(i)));
    }
  }
  // The blocks together are all rows, also for a count seen earlier.
  for (const uint32_t published : {0u, 1u, 1024u, 1025u, 3071u, 3072u, 3073u, 5000u}) {
    uint32_t next = 0;
    for (size_t b = 0; b < GrowingRows::kBlocks; ++b) {
      const GrowingRows::Block block = rows.BlockRows(b, published);
      if (block.count == 0) break;
      EXPECT_EQ(block.first, next);
      EXPECT_EQ(block.first % 64, 0u);
      next += block.count;
    }
    EXPECT_EQ(next, published);
  }
  EXPECT_DEATH(rows.Append(std::vector<float>(4)), "");
}

TEST(GrowingRowsTest, ReadersSeeWholeRowsBesideTheWriter) {
  constexpr uint32_t kRows = 20'000;
  GrowingRows rows(3);
  std::jthread writer([&rows] {
    for (uint32_t i = 0; i < kRows; ++i) {
      const float value = static_cast<float>(i);
      rows.Append(i % 5 == 0 ? std::span<const float>{}
                             : std::span<const float>(std::vector<float>(3, value)));
    }
  });
  uint32_t count = 0;
  while (count < kRows) {
    count = rows.count();
    if (count == 0) continue;
    for (const uint32_t row : {count - 1, count / 2}) {
      const float* values = rows.Row(row);
      ASSERT_EQ(values == nullptr, row % 5 == 0);
      if (values != nullptr) {
        ASSERT_EQ(values[2], static_cast<float>(row));
      }
    }
  }
}

TEST(RowScorerTest, AppliesTheAdjustmentAndGuardsTheMetric) {
  Random random(4);
  const auto data = index_test::RandomRows(random, 20, 8, false);
  const auto query = index_test::RandomVector(random, 8, false);
  std::vector<float> scale(20);
  std::vector<float> offset(20);
  for (size_t i = 0; i < 20; ++i) {
    scale[i] = static_cast<float>(i) * 0.5f;
    offset[i] = static_cast<float>(i) - 10.0f;
  }
  const RowScorer plain(data.View(), Metric::kDot, query.data());
  const RowScorer adjusted(data.View(), Metric::kDot, query.data(),
                           {scale.data(), offset.data(), 2.0f});
  const uint32_t rows[] = {19, 3, 3, 0};
  float scores[4];
  adjusted.Score(rows, scores);
  for (size_t i = 0; i < 4; ++i) {
    const uint32_t row = rows[i];
    EXPECT_FLOAT_EQ(scores[i], plain.Score(row) * scale[row] + offset[row] * 2.0f);
    EXPECT_EQ(scores[i], adjusted.Score(row));
  }
  EXPECT_DEATH(RowScorer(data.View(), Metric::kEuclid, query.data(), {scale.data(), nullptr, 0}),
               "");
}

}  // namespace
}  // namespace almagest
