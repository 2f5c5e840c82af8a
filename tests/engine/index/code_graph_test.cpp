#include "engine/index/code_graph.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/index/code_graph_build.h"
#include "engine/index/code_graph_search.h"
#include "engine/index/code_graph_walk.h"
#include "index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Dataset;
using index_test::Random;
using index_test::RandomRows;
using index_test::RandomVector;
using index_test::TemporaryFolder;

CodeGraphArrays Build(const Dataset& data, Metric metric, CodeGraphBuildOptions options = {}) {
  options.build_beam = 64;
  auto built = BuildCodeGraph(data.View(), metric, options);
  ALMAGEST_CHECK(built.has_value());
  return std::move(*built);
}

bool SameBytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

// Rows that a chain of links reaches from the seeds.
size_t CountReached(const CodeGraph& graph) {
  std::vector<bool> reached(graph.row_count(), false);
  std::vector<uint32_t> open;
  size_t count = 0;
  const auto meet = [&](const std::byte* block) {
    for (size_t j = 0; j < kCodeGraphDegree; ++j) {
      uint16_t added;
      std::memcpy(&added, block + graph.layout().added + 2 * j, 2);
      const uint32_t row = graph.Neighbours(block)[j];
      if (std::isinf(HalfToFloat(added)) || reached[row]) continue;
      EXPECT_TRUE(graph.Present(row));
      reached[row] = true;
      open.push_back(row);
      ++count;
    }
  };
  for (size_t block = 0; block < graph.seed_blocks(); ++block) meet(graph.SeedBlock(block));
  while (!open.empty()) {
    const uint32_t row = open.back();
    open.pop_back();
    meet(graph.Node(row));
  }
  return count;
}

TEST(CodeGraph, EveryPresentRowIsReached) {
  Random random(11);
  for (const double absent : {0.0, 0.3}) {
    const Dataset data = RandomRows(random, 1500, 24, false, absent);
    const CodeGraphArrays arrays = Build(data, Metric::kEuclid);
    size_t present = 0;
    for (uint32_t row = 0; row < data.count; ++row) present += data.Present(row) ? 1 : 0;
    EXPECT_EQ(CountReached(arrays.View()), present);
  }
}

TEST(CodeGraph, TheSameForAnyNumberOfThreads) {
  Random random(12);
  const Dataset data = RandomRows(random, 1200, 20, true);
  CodeGraphBuildOptions options;
  const CodeGraphArrays one = Build(data, Metric::kDot, options);
  options.thread_count = 3;
  const CodeGraphArrays three = Build(data, Metric::kDot, options);
  EXPECT_TRUE(SameBytes(one.nodes.bytes(), three.nodes.bytes()));
  EXPECT_TRUE(SameBytes(one.seeds.bytes(), three.seeds.bytes()));
  options.seed = 1;
  EXPECT_FALSE(SameBytes(one.nodes.bytes(), Build(data, Metric::kDot, options).nodes.bytes()));
}

// The estimate of a neighbour's score from a node is unbiased, and its error is what RaBitQ
// promises: about 0.75 |o - c| |q - c| / sqrt(code_bits), for as many bits as dimensions.
TEST(CodeGraph, EstimatesAreUnbiasedWithinTheirBound) {
  Random random(13);
  constexpr uint32_t kDimension = 128;
  const Dataset data = RandomRows(random, 1000, kDimension, false);
  for (const Metric metric : {Metric::kEuclid, Metric::kDot}) {
    const CodeGraphArrays arrays = Build(data, metric);
    const CodeGraph graph = arrays.View();
    const auto similarity = KernelsFor(metric).pair;
    const auto euclid = KernelsFor(Metric::kEuclid).pair;
    const FastscanKernels& kernels = BestFastscanKernels();
    double sum = 0.0;
    double squares = 0.0;
    size_t count = 0;
    for (int trial = 0; trial < 50; ++trial) {
      const auto query = RandomVector(random, kDimension, false);
      std::vector<uint8_t> levels;
      std::vector<int32_t> sums;
      std::vector<float> rotated(graph.rotation().output_count());
      graph.rotation().Rotate(query.data(), kernels, levels, sums, rotated.data());
      const size_t groups = graph.layout().groups;
      const TableRange range = kernels.table_range(rotated.data(), groups);
      std::vector<uint8_t> tables(groups * 16);
      kernels.fill_tables(rotated.data(), groups, 63.0f / range.widest, tables.data());
      const auto centre = static_cast<uint32_t>(Below(random, data.count));
      const std::byte* node = graph.Node(centre);
      const float scale = graph.meta().factor_scale;
      CodeEstimate input;
      input.codes = reinterpret_cast<const uint8_t*>(node);
      input.added = reinterpret_cast<const uint16_t*>(node + graph.layout().added);
      input.slope = reinterpret_cast<const uint16_t*>(node + graph.layout().slope);
      input.tables = tables.data();
      input.groups = groups;
      input.step = 2.0f * range.widest / 63.0f;
      input.bias = 2.0f * range.smallest_sum - range.sum;
      input.base = -similarity(query.data(), data.Row(centre), kDimension) * scale;
      input.threshold = std::numeric_limits<float>::infinity();
      float keys[32];
      const uint32_t there = kernels.estimate(input, keys);
      for (size_t j = 0; j < 32; ++j) {
        if (((there >> j) & 1) == 0) continue;
        const uint32_t row = graph.Neighbours(node)[j];
        const float truth = similarity(query.data(), data.Row(row), kDimension);
        const double size = std::sqrt(double{euclid(query.data(), data.Row(centre), kDimension)} *
                                      double{euclid(data.Row(row), data.Row(centre), kDimension)});
        const double factor = metric == Metric::kEuclid ? 2.0 : 1.0;
        const double error = (-keys[j] / scale - truth) / (factor * size);
        sum += error;
        squares += error * error;
        ++count;
      }
    }
    ASSERT_GT(count, 1000u);
    const double deviation = std::sqrt(squares / static_cast<double>(count));
    EXPECT_LT(deviation, 1.0 / std::sqrt(128.0));
    EXPECT_LT(std::fabs(sum / static_cast<double>(count)), 0.1 / std::sqrt(128.0));
  }
}

TEST(CodeGraph, WholeNumbersAreKeptInBytesExactly) {
  Random random(14);
  Dataset data = RandomRows(random, 400, 30, false);
  for (float& value : data.values) value = std::round(value * 20.0f) - 300.0f;
  for (const Metric metric : {Metric::kEuclid, Metric::kDot}) {
    const CodeGraphArrays arrays = Build(data, metric);
    const CodeGraph graph = arrays.View();
    EXPECT_EQ(graph.meta().row_format, CodeRowFormat::kByte);
    CodeWalkScratch scratch;
    const CodeWalk walk(graph, data.Row(3), nullptr, scratch);
    for (uint32_t row = 0; row < data.count; ++row) {
      const float exact = KernelsFor(metric).pair(data.Row(3), data.Row(row), 30);
      EXPECT_NEAR(walk.Score(row), exact, 1e-5f * std::fabs(exact));
    }
  }
  data.values[7] += 0.5f;
  EXPECT_EQ(Build(data, Metric::kEuclid).meta.row_format, CodeRowFormat::kExactHalf);
  CodeGraphBuildOptions options;
  options.row_format = CodeRowFormat::kByte;
  const auto refused = BuildCodeGraph(data.View(), Metric::kEuclid, options);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

TEST(CodeGraph, HalfRowsScaleToAnyMagnitude) {
  Random random(15);
  for (const float magnitude : {1e-12f, 1.0f, 1e12f}) {
    Dataset data = RandomRows(random, 200, 16, false);
    for (float& value : data.values) value *= magnitude;
    const CodeGraphArrays arrays = Build(data, Metric::kEuclid);
    CodeWalkScratch scratch;
    const CodeGraph graph = arrays.View();
    const CodeWalk walk(graph, data.Row(0), nullptr, scratch);
    for (uint32_t row = 1; row < data.count; ++row) {
      const float exact = KernelsFor(Metric::kEuclid).pair(data.Row(0), data.Row(row), 16);
      EXPECT_NEAR(walk.Score(row) / exact, 1.0f, 1e-2f) << magnitude;
    }
  }
}

TEST(CodeGraph, FloatRowsCanBeViewed) {
  Random random(16);
  const Dataset data = RandomRows(random, 100, 10, false, 0.2);
  CodeGraphBuildOptions options;
  options.row_format = CodeRowFormat::kFloat;
  const CodeGraphArrays arrays = Build(data, Metric::kDot, options);
  const DenseRowsView rows = arrays.View().FloatRows();
  ASSERT_EQ(rows.count, 100u);
  for (uint32_t row = 0; row < 100; ++row) {
    ASSERT_EQ(rows.Present(row), data.Present(row));
    if (!rows.Present(row)) continue;
    EXPECT_TRUE(std::equal(rows.Row(row), rows.Row(row) + 10, data.Row(row)));
  }
}

TEST(CodeGraph, SurvivesAFileAndDamageIsFoundOrHarmless) {
  Random random(17);
  const Dataset data = RandomRows(random, 600, 20, true, 0.1);
  const CodeGraphArrays arrays = Build(data, Metric::kDot);
  const CodeGraph graph = arrays.View();
  const TemporaryFolder folder;
  {
    auto writer = SectionWriter::Create(folder / "graph");
    ASSERT_TRUE(writer.has_value());
    ASSERT_TRUE(graph.Write(*writer, "dense").has_value());
    ASSERT_TRUE(writer->Finish().has_value());
  }
  const auto file = SectionFile::Open(folder / "graph", SectionFile::Verify::kAll);
  ASSERT_TRUE(file.has_value());
  EXPECT_FALSE(CodeGraph::Open(*file, "other").has_value());
  const auto opened = CodeGraph::Open(*file, "dense");
  ASSERT_TRUE(opened.has_value());
  EXPECT_TRUE(SameBytes(opened->node_bytes(), graph.node_bytes()));
  const CodeGraphArrays copy = CopyToMemory(*opened);
  DenseQuery query;
  query.metric = Metric::kDot;
  query.query = data.Row(0);
  EXPECT_EQ(*SearchCodeGraph(copy.View(), query, 40), *SearchCodeGraph(graph, query, 40));

  // Sizes and numbers that do not fit are refused.
  const auto open_with = [&](auto change) {
    CodeGraphMeta meta = graph.meta();
    change(meta);
    return CodeGraph::FromParts(meta, graph.shared_rotation(), graph.seed_bytes(),
                                graph.node_bytes(), graph.present_words());
  };
  EXPECT_TRUE(open_with([](CodeGraphMeta&) {}).has_value());
  EXPECT_FALSE(open_with([](CodeGraphMeta& m) { m.version = 2; }).has_value());
  EXPECT_FALSE(open_with([](CodeGraphMeta& m) { m.row_count += 1; }).has_value());
  EXPECT_FALSE(open_with([](CodeGraphMeta& m) { m.row_count = 0xFFFFFFFF; }).has_value());
  EXPECT_FALSE(open_with([](CodeGraphMeta& m) { m.dimension += 1; }).has_value());
  EXPECT_FALSE(open_with([](CodeGraphMeta& m) { m.code_bits += 8; }).has_value());
  EXPECT_FALSE(open_with([](CodeGraphMeta& m) { m.metric = 2; }).has_value());
  EXPECT_FALSE(open_with([](CodeGraphMeta& m) { m.seed_count = 1000; }).has_value());
  EXPECT_FALSE(open_with([](CodeGraphMeta& m) { m.factor_scale = 0.3f; }).has_value());
  EXPECT_FALSE(open_with([](CodeGraphMeta& m) { m.row_scale = -1.0f; }).has_value());
  EXPECT_FALSE(open_with([](CodeGraphMeta& m) {
                 m.row_format = static_cast<CodeRowFormat>(7);
               }).has_value());

  // Any bytes in the nodes and seeds: searches stay within bounds and answer.
  for (int trial = 0; trial < 40; ++trial) {
    SCOPED_TRACE(testing::Message() << "trial " << trial);
    CodeGraphArrays hostile = CopyToMemory(graph);
    const size_t damaged = trial == 0 ? hostile.nodes.size() : Below(random, 5000) + 1;
    for (size_t i = 0; i < damaged; ++i) {
      hostile.nodes.data()[Below(random, hostile.nodes.size())] =
          static_cast<std::byte>(random() & 0xFF);
      hostile.seeds.data()[Below(random, hostile.seeds.size())] =
          static_cast<std::byte>(random() & 0xFF);
    }
    const auto found = SearchCodeGraph(hostile.View(), query, 40);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->size(), 10u);
    for (const ScoredRow& row : *found) EXPECT_TRUE(data.Present(row.row));
  }
}

}  // namespace
}  // namespace almagest
