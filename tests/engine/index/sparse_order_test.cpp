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

TEST(SparseKernelsTest, OfAnyCountAgreeWithPlainLoops) {
  for (size_t count = 0; count < 90; ++count) {
    SCOPED_TRACE(testing::Message() << count << " values");
    Random random(count + 1);
    std::vector<SparsePosting> postings(count);
    std::vector<double> sums(count);
    for (size_t i = 0; i < count; ++i) {
      postings[i] = {static_cast<uint32_t>(random()),  // With any level.
                     static_cast<float>(Below(random, 1000)) / 64.0f};
      sums[i] = static_cast<double>(Below(random, 1000)) / 3.0 - 100.0;
    }
    std::vector<uint32_t> positions(count + 1, 7);
    std::vector<double> parts(count + 1, 7.0);
    SplitPostings(postings.data(), count, 1000, 0.3, positions.data(), parts.data());
    for (size_t i = 0; i < count; ++i) {
      ASSERT_EQ(positions[i], postings[i].position() - 1000);
      ASSERT_EQ(parts[i], 0.3 * double{postings[i].weight});
    }
    std::vector<float> floats(count + 1, 7.0f);
    ToFloats(sums.data(), count, 0.5f, floats.data());
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(floats[i], static_cast<float>(sums[i]) + 0.5f);
    EXPECT_EQ(positions[count], 7u);  // Nothing is written beyond the end.
    EXPECT_EQ(parts[count], 7.0);
    EXPECT_EQ(floats[count], 7.0f);
    for (const float low : {-1000.0f, 0.0f, count == 0 ? 1.0f : floats[count / 2]}) {
      std::vector<uint32_t> expected;
      for (uint32_t i = 0; i < count; ++i) {
        if (floats[i] >= low && floats[i] > 0.0f) expected.push_back(i);
      }
      std::vector<uint32_t> places(count + 16);
      places.resize(PlacesAtLeast(floats.data(), count, low, places.data()));
      ASSERT_EQ(places, expected);
    }
  }
}

TEST(SparseKernelsTest, TheLargestAreTakenInTurn) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t chunks = 1 + Below(random, 40);
    std::vector<float> values(chunks * 64);
    for (float& value : values) value = static_cast<float>(Below(random, 50));  // With ties.
    std::vector<float> sorted = values;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    std::vector<float> largest(chunks + 16, -1.0f);
    LargestBounds(values.data(), chunks, largest.data());
    for (const float expected : sorted) {
      float taken = -1.0f;
      const size_t place = TakeLargest(values.data(), largest.data(), chunks, &taken);
      ASSERT_EQ(taken, expected);
      ASSERT_LT(values[place], 0.0f);
    }
  }
}

}  // namespace
}  // namespace almagest
