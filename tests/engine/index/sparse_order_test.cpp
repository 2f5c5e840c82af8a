#include "engine/index/sparse_order.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/index/sparse_kernels.h"
#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Random;

TEST(SparseOrderTest, GivesEveryRowOnceAndTheSameEveryTime) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    SparseRowTerms rows;
    for (size_t row = Below(random, 3000); row > 0; --row) {
      for (size_t i = Below(random, 12); i > 0; --i) {
        rows.terms.push_back(static_cast<uint32_t>(Below(random, 200)));
      }
      rows.firsts.push_back(rows.terms.size());
    }
    const std::vector<uint32_t> order = OrderBySimilarity(rows, 200);
    EXPECT_EQ(order, OrderBySimilarity(rows, 200));
    std::vector<uint32_t> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    std::vector<uint32_t> all(rows.firsts.size() - 1);
    std::iota(all.begin(), all.end(), 0u);
    EXPECT_EQ(sorted, all);
  }
}

TEST(SparseOrderTest, RowsOfOneSubjectComeTogether) {
  Random random(1);
  constexpr uint32_t kRows = 4096;
  constexpr uint32_t kSubjects = 16;  // Of 20 terms each; rows in random turns.
  std::vector<uint32_t> subject;
  SparseRowTerms rows;
  for (uint32_t row = 0; row < kRows; ++row) {
    subject.push_back(static_cast<uint32_t>(Below(random, kSubjects)));
    for (int i = 0; i < 8; ++i) {
      rows.terms.push_back(subject.back() * 20 + static_cast<uint32_t>(Below(random, 20)));
    }
    rows.firsts.push_back(rows.terms.size());
  }
  const std::vector<uint32_t> order = OrderBySimilarity(rows, kSubjects * 20);
  size_t changes = 0;
  for (size_t i = 1; i < order.size(); ++i) changes += subject[order[i]] != subject[order[i - 1]];
  EXPECT_LT(changes, kRows / 4);  // 15/16 of the neighbours in the given order.
}

TEST(SparseKernelsTest, AgreeWithPlainLoops) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t chunks = 1 + Below(random, 4);
    std::vector<std::vector<uint8_t>> maxima(Below(random, 5));
    std::vector<WeightedMaxima> terms;
    std::vector<double> expected(chunks * 64, 0.0);
    for (auto& levels : maxima) {
      for (size_t i = 0; i < chunks * 64; ++i) {
        levels.push_back(static_cast<uint8_t>(Below(random, 3) == 0 ? Below(random, 256) : 0));
      }
      terms.push_back({levels.data(), static_cast<float>(Below(random, 1000)) / 64.0f});
      for (size_t i = 0; i < levels.size(); ++i) {
        expected[i] += double{terms.back().coefficient} * levels[i];
      }
    }
    std::vector<float> bounds(chunks * 64, -1.0f);
    AddUpMaxima(terms, bounds.size(), bounds.data());
    for (size_t i = 0; i < bounds.size(); ++i) {
      ASSERT_NEAR(bounds[i], expected[i], expected[i] * 1e-6);
    }
    std::vector<float> largest(chunks);
    LargestBounds(bounds.data(), chunks, largest.data());
    for (size_t c = 0; c < chunks; ++c) {
      const auto first = bounds.begin() + static_cast<ptrdiff_t>(64 * c);
      EXPECT_EQ(largest[c], *std::max_element(first, first + 64));
      const float low =
          Below(random, 2) == 0 ? 0.0f : first[static_cast<ptrdiff_t>(Below(random, 64))];
      const uint64_t bits = BoundsAtLeast(&*first, low);
      for (size_t b = 0; b < 64; ++b) {
        ASSERT_EQ(bits >> b & 1, bounds[64 * c + b] > 0 && bounds[64 * c + b] >= low ? 1u : 0u);
      }
    }
    std::vector<double> sums;
    for (int i = 0; i < 32; ++i) sums.push_back(static_cast<double>(Below(random, 100)) - 50.0);
    const double low = sums[Below(random, 32)];
    const uint32_t bits = SumsAtLeast(sums.data(), low);
    for (size_t i = 0; i < 32; ++i) ASSERT_EQ(bits >> i & 1, sums[i] >= low ? 1u : 0u);
    EXPECT_EQ(LargestSum(sums.data()), *std::max_element(sums.begin(), sums.end()));
  }
}

}  // namespace
}  // namespace almagest
