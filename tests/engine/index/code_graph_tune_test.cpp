#include "engine/index/code_graph_tune.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/index/code_graph_build.h"
#include "engine/index/code_graph_search.h"
#include "index_fixtures.h"

namespace almagest {
namespace {

using index_test::Dataset;
using index_test::NaiveDense;
using index_test::Random;
using index_test::RandomRows;
using index_test::RandomVector;
using index_test::Recall;

CodeGraphArrays Build(const Dataset& data, Metric metric, const CodeGraphBuildOptions& options) {
  auto built = BuildCodeGraph(data.View(), metric, options);
  EXPECT_TRUE(built.has_value()) << built.error().message;
  return std::move(*built);
}

TEST(TuneBeamWidth, QueriesFromElsewhereReachTheRecallToo) {
  for (const Metric metric : {Metric::kEuclid, Metric::kDot}) {
    Random random(31);
    SCOPED_TRACE(testing::Message() << "metric " << int(metric));
    const Dataset data = RandomRows(random, 4000, 16, true, 0.1);
    CodeGraphBuildOptions build;
    build.build_beam = 100;
    const CodeGraphArrays arrays = Build(data, metric, build);
    const BeamTuning tuned = TuneBeamWidth(arrays.View(), data.View(), {});
    EXPECT_GE(tuned.recall, 0.97);
    EXPECT_GE(tuned.beam_width, 16u);
    double recall = 0.0;
    for (int q = 0; q < 100; ++q) {
      const auto values = RandomVector(random, 16, true);
      DenseQuery query;
      query.metric = metric;
      query.query = values.data();
      const auto found = SearchCodeGraph(arrays.View(), query, tuned.beam_width);
      ASSERT_TRUE(found.has_value());
      recall += Recall(*found, NaiveDense(data, query)) / 100;
    }
    EXPECT_GE(recall, 0.95) << "beam " << tuned.beam_width;
    BeamTuningOptions demanding;
    demanding.recall = 0.999;
    const BeamTuning wider = TuneBeamWidth(arrays.View(), data.View(), demanding);
    EXPECT_GT(wider.beam_width, tuned.beam_width);
  }
}

TEST(TuneBeamWidth, SettlesForWhatCanBeReachedAndStopsWhenTold) {
  Random random(32);
  const Dataset data = RandomRows(random, 1500, 24, true);
  CodeGraphBuildOptions build;
  build.build_beam = 100;
  build.row_format = CodeRowFormat::kByte;
  build.byte_quantile = 0.5;  // So coarse that no beam reaches the recall without rescoring.
  const CodeGraphArrays arrays = Build(data, Metric::kDot, build);
  const BeamTuning coarse = TuneBeamWidth(arrays.View(), data.View(), {});
  EXPECT_LT(coarse.recall, 0.97);
  EXPECT_GT(coarse.beam_width, 0u);
  BeamTuningOptions options;
  options.rescored = true;
  const BeamTuning rescored = TuneBeamWidth(arrays.View(), data.View(), options);
  EXPECT_GT(rescored.recall, coarse.recall);
  int asked = 0;
  options.go_on = [&] { return ++asked < 2; };
  const BeamTuning stopped = TuneBeamWidth(arrays.View(), data.View(), options);
  EXPECT_EQ(stopped.beam_width, 0u);
  EXPECT_EQ(asked, 2);
}

TEST(CodeGraphRows, RoundedBytesAreNearAndRescoringMakesThemExact) {
  Random random(33);
  for (const Metric metric : {Metric::kEuclid, Metric::kDot}) {
    SCOPED_TRACE(testing::Message() << "metric " << int(metric));
    const Dataset data = RandomRows(random, 1200, 32, true);
    CodeGraphBuildOptions build;
    build.build_beam = 100;
    build.row_format = CodeRowFormat::kByte;
    EXPECT_EQ(BuildCodeGraph(data.View(), metric, build).error().code, ErrorCode::kInvalidArgument);
    build.byte_quantile = 1.0;
    const CodeGraphArrays arrays = Build(data, metric, build);
    const CodeGraph graph = arrays.View();
    EXPECT_FALSE(graph.rows_exact());
    EXPECT_EQ(graph.meta().row_format, CodeRowFormat::kByte);
    const DenseRowsView rows = data.View();
    for (int q = 0; q < 20; ++q) {
      const auto values = RandomVector(random, 32, true);
      DenseQuery query;
      query.metric = metric;
      query.query = values.data();
      const auto exact = KernelsFor(metric).pair;
      const auto near = ScanCodeGraph(graph, query);
      ASSERT_TRUE(near.has_value());
      for (const ScoredRow& row : *near) {
        EXPECT_NEAR(row.score, exact(values.data(), data.Row(row.row), 32), 0.03f);
      }
      const auto rescored = SearchCodeGraph(graph, query, 150, &rows, nullptr, 60);
      ASSERT_TRUE(rescored.has_value());
      for (const ScoredRow& row : *rescored) {
        EXPECT_EQ(row.score, exact(values.data(), data.Row(row.row), 32));
      }
      EXPECT_GE(Recall(*rescored, NaiveDense(data, query)), 0.9);
    }
  }
}

TEST(CodeGraphRows, ScanIsExactWhereTheRowsAre) {
  Random random(34);
  const Dataset data = RandomRows(random, 300, 8, false, 0.2);
  CodeGraphBuildOptions build;
  build.row_format = CodeRowFormat::kFloat;
  build.degree = 4;  // Few links change what is found by walks, not by scans.
  const CodeGraphArrays arrays = Build(data, Metric::kDot, build);
  EXPECT_TRUE(arrays.View().rows_exact());
  for (int q = 0; q < 20; ++q) {
    const auto values = RandomVector(random, 8, false);
    DenseQuery query;
    query.query = values.data();
    const auto found = ScanCodeGraph(arrays.View(), query);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(*found, NaiveDense(data, query));
  }
}

TEST(CodeGraphRows, HalvesWillNotDoFarFromTheOrigin) {
  Random random(35);
  Dataset data = RandomRows(random, 600, 8, false);
  EXPECT_TRUE(HalfRowsWillDo(data.View(), Metric::kEuclid));
  for (float& value : data.values) value += 5000.0f;
  EXPECT_FALSE(HalfRowsWillDo(data.View(), Metric::kEuclid));
}

TEST(CodeGraphBuild, DegreeLimitsLinks) {
  Random random(36);
  const Dataset data = RandomRows(random, 500, 8, true);
  for (const uint32_t degree : {4u, 12u}) {
    CodeGraphBuildOptions build;
    build.build_beam = 64;
    build.degree = degree;
    const CodeGraphArrays arrays = Build(data, Metric::kDot, build);
    const CodeGraph graph = arrays.View();
    for (uint32_t row = 0; row < data.count; ++row) {
      const std::byte* node = graph.Node(row);
      const auto* added = reinterpret_cast<const uint16_t*>(node + graph.layout().added);
      uint32_t links = 0;
      for (uint32_t j = 0; j < kCodeGraphDegree; ++j) {
        links += std::isfinite(HalfToFloat(added[j])) ? 1 : 0;
      }
      // A row that no other leads to may get one more place.
      EXPECT_LE(links, degree + 2);
    }
  }
}

}  // namespace
}  // namespace almagest
