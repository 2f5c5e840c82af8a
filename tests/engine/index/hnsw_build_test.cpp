#include "engine/index/hnsw_build.h"

#include <gtest/gtest.h>

#include <set>

#include "engine/index/hnsw_search.h"
#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Random;

HnswGraphArrays Build(const index_test::Dataset& data, Metric metric,
                      const HnswBuildOptions& options) {
  auto built = BuildHnsw(data.View(), metric, options);
  EXPECT_TRUE(built.has_value());
  return std::move(*built);
}

// Rows that chains of level-0 links reach from the entry.
size_t ReachedRows(const HnswGraph& graph) {
  std::set<uint32_t> reached = {graph.meta().entry_row};
  std::vector<uint32_t> open = {graph.meta().entry_row};
  while (!open.empty()) {
    const uint32_t row = open.back();
    open.pop_back();
    for (const uint32_t neighbour : graph.Neighbours(row, 0)) {
      if (neighbour == kNoRow) break;
      if (reached.insert(neighbour).second) open.push_back(neighbour);
    }
  }
  return reached.size();
}

TEST(HnswBuildTest, OneThreadIsDeterministic) {
  Random random(1);
  const auto data = index_test::RandomRows(random, 800, 16, true);
  HnswBuildOptions options;
  options.seed = 5;
  const auto first = Build(data, Metric::kDot, options);
  const auto second = Build(data, Metric::kDot, options);
  EXPECT_EQ(first.level0, second.level0);
  EXPECT_EQ(first.upper, second.upper);
  options.seed = 6;
  EXPECT_NE(Build(data, Metric::kDot, options).upper_first, first.upper_first);
}

TEST(HnswBuildTest, EveryPresentRowIsReachedAndNoAbsentOne) {
  for (const uint32_t threads : {1u, 3u}) {
    for (const Metric metric : {Metric::kDot, Metric::kEuclid, Metric::kManhattan}) {
      for (const uint32_t degree : {2u, 4u, 16u}) {
        SCOPED_TRACE(testing::Message()
                     << threads << " threads, metric " << int(metric) << ", degree " << degree);
        Random random(degree + threads);
        const auto data = index_test::RandomRows(random, 1200, 8, false, 0.2);
        HnswBuildOptions options;
        options.degree = degree;
        options.build_beam = 24;
        options.thread_count = threads;
        const auto arrays = Build(data, metric, options);
        const HnswGraph graph = arrays.View();
        size_t present = 0;
        for (uint32_t row = 0; row < data.count; ++row) {
          present += data.Present(row) ? 1 : 0;
          std::set<uint32_t> links;
          for (const uint32_t neighbour : graph.Neighbours(row, 0)) {
            if (neighbour == kNoRow) break;
            EXPECT_TRUE(data.Present(row) && data.Present(neighbour));
            EXPECT_NE(neighbour, row);
            EXPECT_TRUE(links.insert(neighbour).second) << "twice in a list";
          }
        }
        EXPECT_EQ(ReachedRows(graph), present);
      }
    }
  }
}

TEST(HnswBuildTest, ManyCopiesOfOneRowDoNotCutTheGraph) {
  Random random(9);
  auto data = index_test::RandomRows(random, 1500, 8, true);
  for (uint32_t row = 0; row < data.count; row += 2) {
    std::copy_n(data.Row(0), data.dimension, data.values.begin() + size_t{row} * data.dimension);
  }
  HnswBuildOptions options;
  options.build_beam = 32;
  const auto arrays = Build(data, Metric::kDot, options);
  EXPECT_EQ(ReachedRows(arrays.View()), data.count);
  DenseQuery query;
  query.query = data.Row(0);
  query.k = 40;
  double recall = 0.0;
  for (uint32_t row = 1; row < 200; row += 2) {
    query.query = data.Row(row);
    query.k = 10;
    recall += index_test::Recall(*SearchHnsw(arrays.View(), data.View(), query, 64),
                                 index_test::NaiveDense(data, query));
  }
  EXPECT_GT(recall / 100, 0.9);
  query.query = data.Row(0);
  query.k = 700;  // Nearly all of the 750 copies.
  const auto copies = *SearchHnsw(arrays.View(), data.View(), query, 64);
  ASSERT_EQ(copies.size(), 700u);
}

TEST(HnswBuildTest, SmallestInputs) {
  HnswBuildOptions options;
  index_test::Dataset none;
  none.dimension = 3;
  EXPECT_EQ(Build(none, Metric::kDot, options).meta.entry_row, kNoRow);
  Random random(2);
  const auto absent = index_test::RandomRows(random, 5, 3, true, 1.0);
  EXPECT_EQ(Build(absent, Metric::kDot, options).meta.entry_row, kNoRow);
  const auto one = index_test::RandomRows(random, 1, 3, true);
  EXPECT_EQ(Build(one, Metric::kDot, options).meta.entry_row, 0u);
}

TEST(HnswBuildTest, ReportsProgressAndCanBeCancelled) {
  Random random(3);
  const auto data = index_test::RandomRows(random, 2000, 4, true);
  for (const uint32_t threads : {1u, 2u}) {
    HnswBuildOptions options;
    options.thread_count = threads;
    std::vector<size_t> calls;
    options.progress = [&](size_t done) {
      calls.push_back(done);
      return true;
    };
    ASSERT_TRUE(BuildHnsw(data.View(), Metric::kDot, options).has_value());
    EXPECT_EQ(calls.size(), 2000u / 256);
    calls.clear();
    options.progress = [&](size_t done) {
      calls.push_back(done);
      return false;
    };
    const auto cancelled = BuildHnsw(data.View(), Metric::kDot, options);
    ASSERT_FALSE(cancelled.has_value());
    EXPECT_EQ(cancelled.error().code, ErrorCode::kTimeout);
    EXPECT_EQ(calls.front(), 256u);
  }
}

TEST(HnswBuildTest, RefusesOptionsOutOfRange) {
  Random random(4);
  const auto data = index_test::RandomRows(random, 10, 4, true);
  const auto code = [&](const HnswBuildOptions& options) {
    return BuildHnsw(data.View(), Metric::kDot, options).error().code;
  };
  EXPECT_EQ(code({.degree = 1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.degree = 257}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.build_beam = 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.thread_count = 0}), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace almagest
