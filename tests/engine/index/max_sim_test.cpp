#include "engine/index/max_sim.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/index/multi_scan.h"
#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Random;

constexpr float kLowest = -std::numeric_limits<float>::infinity();

double NaivePair(Metric metric, const float* a, const float* b, size_t dimension) {
  double sum = 0;
  for (size_t i = 0; i < dimension; ++i) {
    const double x = a[i];
    const double y = b[i];
    sum += metric == Metric::kDot      ? x * y
           : metric == Metric::kEuclid ? -(x - y) * (x - y)
                                       : -std::abs(x - y);
  }
  return sum;
}

double NaiveMaxSim(Metric metric, std::span<const float> query, std::span<const float> document,
                   size_t dimension) {
  double total = 0;
  for (size_t q = 0; q < query.size(); q += dimension) {
    double best = -INFINITY;
    for (size_t r = 0; r < document.size(); r += dimension) {
      best = std::max(best, NaivePair(metric, &query[q], &document[r], dimension));
    }
    total += best;
  }
  return total;
}

TEST(MaxSimTest, EqualsTheDefinition) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const size_t dimension = 1 + Below(random, 50);
    const size_t query_rows = 1 + Below(random, 70);
    const size_t rows = 1 + Below(random, 30);
    const auto metric = static_cast<Metric>(Below(random, 3));
    const auto query = index_test::RandomVector(random, query_rows * dimension, false);
    const auto document = index_test::RandomVector(random, rows * dimension, false);
    const MaxSim max_sim(metric, query, dimension);
    const float score = max_sim.Score(document);
    const double expected = NaiveMaxSim(metric, query, document, dimension);
    EXPECT_NEAR(score, expected, 1e-4 * (1 + std::abs(expected)) * std::sqrt(double(query_rows)));
    // Elsewhere in memory, without room behind it.
    std::vector<float> moved(document.size() + 1);
    std::ranges::copy(document, moved.begin() + 1);
    EXPECT_EQ(score, max_sim.Score(std::span(moved).subspan(1)));
  }
}

TEST(MaxSimTest, SmallNumbersAreExact) {
  const std::vector<float> query = {1, 0, 0, 1};
  const std::vector<float> document = {3, 4, 5, -1, 0, 2};
  EXPECT_EQ(MaxSim(Metric::kDot, query, 2).Score(document), 5 + 4);
  EXPECT_EQ(MaxSim(Metric::kEuclid, query, 2).Score(document), -(5 + 1));
  EXPECT_EQ(MaxSim(Metric::kManhattan, query, 2).Score(document), -(3 + 1));
  EXPECT_EQ(MaxSim(Metric::kDot, query, 2).Score({}), kLowest);
}

TEST(MaxSimTest, OverflowIsNeverNotANumber) {
  constexpr float kHuge = 3e38f;
  for (const size_t query_rows : {1, 2, 5, 40}) {
    std::vector<float> query;
    for (size_t i = 0; i < query_rows; ++i) query.insert(query.end(), {kHuge, kHuge});
    for (const auto metric : {Metric::kDot, Metric::kEuclid, Metric::kManhattan}) {
      const MaxSim max_sim(metric, query, 2);
      for (const std::vector<float>& document :
           {std::vector<float>{kHuge, -kHuge}, {-kHuge, -kHuge}, {kHuge, kHuge, kHuge, -kHuge}}) {
        EXPECT_FALSE(std::isnan(max_sim.Score(document))) << query_rows;
      }
    }
  }
}

TEST(MultiScanTest, BothScansAgreeWithSortingInBothKindsOfRows) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const auto dimension = static_cast<uint32_t>(1 + Below(random, 12));
    const auto count = static_cast<uint32_t>(1 + Below(random, 200));
    GrowingMultiRows growing(dimension, count);
    std::vector<uint64_t> offsets{0};
    std::vector<float> values;
    for (uint32_t row = 0; row < count; ++row) {
      const size_t vectors = Below(random, 4);  // Some rows are absent.
      const auto given = index_test::RandomVector(random, vectors * dimension, false);
      if (vectors > 0) growing.Set(row, given);
      values.insert(values.end(), given.begin(), given.end());
      offsets.push_back(offsets.back() + vectors);
    }
    const auto mapped = MappedMultiRows::Make(dimension, count, offsets, values);
    ASSERT_TRUE(mapped.has_value());
    EXPECT_EQ(mapped->value_count(), growing.value_count());
    AtomicBitmap deleted(count);
    for (uint32_t row = 0; row < count; ++row) {
      if (Below(random, 4) == 0) deleted.Set(row);
    }
    const size_t query_rows = 1 + Below(random, 8);
    const auto metric = static_cast<Metric>(Below(random, 3));
    const MaxSim max_sim(metric, index_test::RandomVector(random, query_rows * dimension, false),
                         dimension);
    MultiQuery query;
    query.query = &max_sim;
    query.k = 1 + Below(random, 50);
    query.filter.deleted_words = deleted.words();
    query.filter.row_limit = static_cast<uint32_t>(1 + Below(random, count));
    std::vector<uint32_t> candidates;
    for (uint32_t row = 0; row < count + 3; ++row) {
      if (Below(random, 3) == 0) candidates.push_back(row);
    }
    std::vector<ScoredRow> all, some;
    for (uint32_t row = 0; row < query.filter.row_limit; ++row) {
      if (deleted.Test(row) || offsets[row] == offsets[row + 1]) continue;
      const ScoredRow scored{row, max_sim.Score(growing.Row(row))};
      all.push_back(scored);
      if (std::ranges::find(candidates, row) != candidates.end()) some.push_back(scored);
    }
    for (auto* list : {&all, &some}) {
      std::ranges::sort(*list, ComesBefore);
      if (list->size() > query.k) list->resize(query.k);
    }
    for (const MultiRows* rows :
         {static_cast<const MultiRows*>(&*mapped), static_cast<const MultiRows*>(&growing)}) {
      EXPECT_EQ(ScanMultiRows(*rows, count, query).value(), all);
      EXPECT_EQ(ScanMultiRows(*rows, count, query, candidates).value(), some);
    }
  }
}

TEST(MultiScanTest, StopsAtTheDeadline) {
  GrowingMultiRows rows(1, 1);
  rows.Set(0, std::vector<float>{1});
  const MaxSim max_sim(Metric::kDot, std::vector<float>{1}, 1);
  MultiQuery query;
  query.query = &max_sim;
  query.cancel.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_EQ(ScanMultiRows(rows, 1, query).error().code, ErrorCode::kTimeout);
}

TEST(MultiRowsTest, OffsetsOfDamagedFilesAreSafe) {
  const std::vector<float> values = {1, 2, 3, 4};
  const std::vector<uint64_t> offsets = {0, 2, 1, uint64_t{1} << 63, 7};
  const auto rows = MappedMultiRows::Make(2, 4, offsets, values);
  ASSERT_TRUE(rows.has_value());
  EXPECT_EQ(rows->Row(0).size(), 4u);
  for (const uint32_t row : {1u, 2u, 3u, 4u, UINT32_MAX}) EXPECT_TRUE(rows->Row(row).empty());
  EXPECT_FALSE(MappedMultiRows::Make(2, 5, offsets, values).has_value());
  EXPECT_FALSE(MappedMultiRows::Make(3, 4, offsets, values).has_value());
}

}  // namespace
}  // namespace almagest
