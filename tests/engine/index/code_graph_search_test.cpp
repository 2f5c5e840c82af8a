#include "engine/index/code_graph_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "engine/index/code_graph_build.h"
#include "engine/index/code_graph_walk.h"
#include "index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Dataset;
using index_test::NaiveDense;
using index_test::Random;
using index_test::RandomBitmap;
using index_test::RandomRows;
using index_test::RandomVector;
using index_test::Recall;

CodeGraphArrays Build(const Dataset& data, Metric metric, uint32_t build_beam = 100) {
  CodeGraphBuildOptions options;
  options.build_beam = build_beam;
  auto built = BuildCodeGraph(data.View(), metric, options);
  ALMAGEST_CHECK(built.has_value());
  return std::move(*built);
}

void ExpectWellFormed(const std::vector<ScoredRow>& found, const DenseQuery& query,
                      const Dataset& data) {
  std::set<uint32_t> rows;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(query.filter.Counts(found[i].row));
    EXPECT_TRUE(data.Present(found[i].row));
    EXPECT_TRUE(rows.insert(found[i].row).second) << "row " << found[i].row << " twice";
    if (i > 0) {
      EXPECT_TRUE(ComesBefore(found[i - 1], found[i]));
    }
  }
}

TEST(SearchCodeGraph, RecallIsHighForEveryMetricAndNormalisation) {
  for (const bool unit : {true, false}) {
    for (const Metric metric : {Metric::kEuclid, Metric::kDot}) {
      Random random(21);
      SCOPED_TRACE(testing::Message() << "unit " << unit << ", metric " << int(metric));
      const Dataset data = RandomRows(random, 4000, 16, unit, 0.1);
      const CodeGraphArrays arrays = Build(data, metric);
      const CodeGraph graph = arrays.View();
      double recall = 0.0;
      uint64_t visited = 0;
      for (int q = 0; q < 50; ++q) {
        const auto values = RandomVector(random, 16, unit);
        DenseQuery query;
        query.metric = metric;
        query.query = values.data();
        CodeSearchStats stats;
        const auto found = SearchCodeGraph(graph, query, 100, nullptr, &stats);
        ASSERT_TRUE(found.has_value());
        ASSERT_EQ(found->size(), 10u);
        ExpectWellFormed(*found, query, data);
        ASSERT_FALSE(stats.scanned);
        visited += stats.rows_visited;
        recall += Recall(*found, NaiveDense(data, query)) / 50;
      }
      EXPECT_GE(recall, 0.95);
      EXPECT_LT(visited / 50, 400u) << "an index that visits a tenth of the rows is none";
    }
  }
}

TEST(SearchCodeGraph, ExactRowsGiveExactScores) {
  Random random(22);
  const Dataset data = RandomRows(random, 1500, 24, true);
  const CodeGraphArrays arrays = Build(data, Metric::kDot);
  const DenseRowsView rows = data.View();
  for (int q = 0; q < 20; ++q) {
    const auto values = RandomVector(random, 24, true);
    DenseQuery query;
    query.query = values.data();
    const auto found = SearchCodeGraph(arrays.View(), query, 80, &rows);
    const auto halves = SearchCodeGraph(arrays.View(), query, 80);
    ASSERT_TRUE(found.has_value() && halves.has_value());
    ExpectWellFormed(*found, query, data);
    for (const ScoredRow& row : *found) {
      EXPECT_EQ(row.score, KernelsFor(Metric::kDot).pair(values.data(), data.Row(row.row), 24));
    }
    for (const ScoredRow& row : *halves) {
      EXPECT_NEAR(row.score, KernelsFor(Metric::kDot).pair(values.data(), data.Row(row.row), 24),
                  2e-3f);
    }
  }
}

// Every selectivity, with matches spread evenly and with matches on one side of the space.
TEST(SearchCodeGraph, FilteredRecallAndNumber) {
  Random random(23);
  const Dataset data = RandomRows(random, 6000, 12, true);
  const CodeGraphArrays arrays = Build(data, Metric::kDot);
  const CodeGraph graph = arrays.View();
  for (const double share : {0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.9, 1.0}) {
    for (const bool correlated : {false, true}) {
      SCOPED_TRACE(testing::Message() << "share " << share << ", correlated " << correlated);
      auto allowed = RandomBitmap(random, data.count, share);
      if (correlated) {
        // The rows furthest along one axis.
        std::vector<std::pair<float, uint32_t>> order;
        for (uint32_t row = 0; row < data.count; ++row) order.push_back({data.Row(row)[0], row});
        std::sort(order.begin(), order.end());
        std::fill(allowed.begin(), allowed.end(), 0);
        for (size_t i = 0; i < static_cast<size_t>(share * data.count); ++i) {
          allowed[order[i].second / 64] |= uint64_t{1} << (order[i].second % 64);
        }
      }
      double recall = 0.0;
      for (int q = 0; q < 20; ++q) {
        const auto values = RandomVector(random, 12, true);
        DenseQuery query;
        query.query = values.data();
        query.filter.allowed_words = allowed.data();
        query.filter.row_limit = 5900;
        const auto found = SearchCodeGraph(graph, query, 80);
        ASSERT_TRUE(found.has_value());
        EXPECT_EQ(found->size(), std::min<size_t>(10, query.filter.CountMatches(data.count)));
        ExpectWellFormed(*found, query, data);
        recall += Recall(*found, NaiveDense(data, query)) / 20;
      }
      EXPECT_GE(recall, 0.95);
    }
  }
}

// The walk itself, where a search would rather scan.
TEST(SearchCodeGraph, FilteredWalksFindTheMatches) {
  Random random(29);
  const Dataset data = RandomRows(random, 6000, 12, true);
  const CodeGraphArrays arrays = Build(data, Metric::kDot);
  const CodeGraph graph = arrays.View();
  CodeWalkScratch scratch;
  for (const double share : {0.05, 0.25, 0.5, 0.9}) {
    SCOPED_TRACE(testing::Message() << "share " << share);
    const auto allowed = RandomBitmap(random, data.count, share);
    double recall = 0.0;
    size_t visited = 0;
    for (int q = 0; q < 30; ++q) {
      const auto values = RandomVector(random, 12, true);
      DenseQuery query;
      query.query = values.data();
      query.filter.allowed_words = allowed.data();
      CodeWalk walk(graph, values.data(), nullptr, scratch);
      ASSERT_TRUE(walk.Walk(160, &query.filter, 500, {}, {}));
      visited += walk.rows_visited();
      std::sort(scratch.scored.begin(), scratch.scored.end(), ComesBefore);
      scratch.scored.resize(std::min<size_t>(scratch.scored.size(), 10));
      ExpectWellFormed(scratch.scored, query, data);
      recall += Recall(scratch.scored, NaiveDense(data, query)) / 30;
    }
    EXPECT_GE(recall, 0.95);
    EXPECT_LT(visited / 30, 3000u);
  }
}

// Half of the rows match, those on one side; the queries are on the other, far from all of them.
TEST(SearchCodeGraph, MatchesAwayFromTheQueryAreFound) {
  Random random(27);
  const Dataset data = RandomRows(random, 5000, 12, /*unit=*/false, 0.0);
  const CodeGraphArrays arrays = Build(data, Metric::kEuclid);
  const CodeGraph graph = arrays.View();
  std::vector<uint64_t> allowed(BitmapWords(5000), 0);
  for (uint32_t row = 0; row < 5000; ++row) {
    if (data.View().Row(row)[0] < 0) allowed[row / 64] |= uint64_t{1} << (row % 64);
  }
  double recall = 0.0;
  for (int q = 0; q < 50; ++q) {
    auto values = RandomVector(random, 12, /*unit=*/false);
    values[0] = 3;
    DenseQuery query;
    query.metric = Metric::kEuclid;
    query.query = values.data();
    query.filter.allowed_words = allowed.data();
    query.filter.row_limit = 5000;
    const auto found = SearchCodeGraph(graph, query, 10);
    ASSERT_TRUE(found.has_value());
    ASSERT_EQ(found->size(), 10u);
    ExpectWellFormed(*found, query, data);
    recall += Recall(*found, NaiveDense(data, query)) / 50;
  }
  EXPECT_GE(recall, 0.95);
}

TEST(SearchCodeGraph, NeverFewerThanThereAre) {
  Random random(24);
  for (const uint32_t count : {1u, 2u, 31u, 33u, 65u, 300u, 2000u}) {
    const Dataset data = RandomRows(random, count, 8, false, count > 2 ? 0.2 : 0.0);
    const CodeGraphArrays arrays = Build(data, Metric::kEuclid, 32);
    uint32_t present = 0;
    for (uint32_t row = 0; row < count; ++row) present += data.Present(row) ? 1 : 0;
    for (const size_t k : {size_t{1}, size_t{10}, size_t{500}, size_t{5000}}) {
      SCOPED_TRACE(testing::Message() << count << " rows, k " << k);
      const auto values = RandomVector(random, 8, false);
      DenseQuery query;
      query.metric = Metric::kEuclid;
      query.query = values.data();
      query.k = k;
      const auto found = SearchCodeGraph(arrays.View(), query, 1);
      ASSERT_TRUE(found.has_value());
      EXPECT_EQ(found->size(), std::min<size_t>(k, present));
      ExpectWellFormed(*found, query, data);
    }
  }
}

TEST(SearchCodeGraph, AdjustedScoresSteerTheWalk) {
  Random random(25);
  const Dataset data = RandomRows(random, 3000, 16, true);
  const CodeGraphArrays arrays = Build(data, Metric::kDot);
  std::vector<float> scale(data.count);
  std::vector<float> offset(data.count);
  for (uint32_t row = 0; row < data.count; ++row) {
    scale[row] = 0.8f + 0.4f * static_cast<float>(Below(random, 1000)) / 1000.0f;
    offset[row] = static_cast<float>(Below(random, 1000)) / 1000.0f - 0.5f;
  }
  const DenseRowsView rows = data.View();
  double recall = 0.0;
  for (int q = 0; q < 30; ++q) {
    const auto values = RandomVector(random, 16, true);
    DenseQuery query;
    query.query = values.data();
    query.adjustment = {scale.data(), offset.data(), 0.1f};
    const auto found = SearchCodeGraph(arrays.View(), query, 150, &rows);
    ASSERT_TRUE(found.has_value());
    const auto truth = NaiveDense(data, query);
    recall += Recall(*found, truth) / 30;
    EXPECT_EQ(found->front(), truth.front());
  }
  EXPECT_GE(recall, 0.95);
}

TEST(SearchCodeGraph, ManyCopiesOfOneRowHideNoOther) {
  Random random(26);
  Dataset data = RandomRows(random, 1000, 8, false);
  for (uint32_t row = 0; row < 500; ++row) {
    std::copy_n(data.Row(0), 8, data.values.begin() + row * 8);
  }
  const CodeGraphArrays arrays = Build(data, Metric::kEuclid);
  size_t hits = 0;
  for (uint32_t row = 500; row < 1000; row += 10) {
    DenseQuery query;
    query.metric = Metric::kEuclid;
    query.query = data.Row(row);
    query.k = 1;
    hits += SearchCodeGraph(arrays.View(), query, 64)->front().row == row ? 1 : 0;
  }
  EXPECT_GE(hits, 49u);
}

TEST(SearchCodeGraph, StopsWhenToldAndBuildingToo) {
  Random random(27);
  const Dataset data = RandomRows(random, 2500, 8, true);
  const CodeGraphArrays arrays = Build(data, Metric::kDot);
  const std::atomic<bool> stop{true};
  DenseQuery query;
  query.query = data.Row(1);
  query.cancel.stop = &stop;
  const auto found = SearchCodeGraph(arrays.View(), query, 50);
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::kTimeout);

  CodeGraphBuildOptions options;
  size_t last = 0;
  options.progress = [&last](size_t done) {
    EXPECT_GE(done, last);
    last = done;
    return true;
  };
  ASSERT_TRUE(BuildCodeGraph(data.View(), Metric::kDot, options).has_value());
  EXPECT_EQ(last, data.count);
  options.progress = [](size_t done) { return done < 1000; };
  const auto built = BuildCodeGraph(data.View(), Metric::kDot, options);
  ASSERT_FALSE(built.has_value());
  EXPECT_EQ(built.error().code, ErrorCode::kTimeout);
}

TEST(BuildCodeGraph, RefusesWhatItCannotBuild) {
  Random random(28);
  const Dataset data = RandomRows(random, 10, 4, false);
  const auto code = [&](Metric metric, auto change) {
    CodeGraphBuildOptions options;
    change(options);
    const auto built = BuildCodeGraph(data.View(), metric, options);
    return built.has_value() ? std::string("built") : ErrorCodeName(built.error().code);
  };
  const auto plain = [](CodeGraphBuildOptions&) {};
  EXPECT_EQ(code(Metric::kDot, plain), "built");
  EXPECT_EQ(code(Metric::kManhattan, plain), "kInvalidArgument");
  for (const uint32_t bits : {4u, 12u, 4104u}) {
    EXPECT_EQ(code(Metric::kDot, [&](auto& o) { o.code_bits = bits; }), "kInvalidArgument");
  }
  EXPECT_EQ(code(Metric::kDot, [](auto& o) { o.build_beam = 31; }), "kInvalidArgument");
  EXPECT_EQ(code(Metric::kDot, [](auto& o) { o.thread_count = 0; }), "kInvalidArgument");
  EXPECT_EQ(DefaultCodeBits(784), 256u);
  EXPECT_EQ(DefaultCodeBits(100), 104u);
  EXPECT_EQ(DefaultCodeBits(1), 64u);
}

}  // namespace
}  // namespace almagest
