// Graphs that begin with the links of another one: what a merge of segments does.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/index/code_graph_build.h"
#include "engine/index/code_graph_search.h"
#include "engine/index/code_graph_tune.h"
#include "index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Dataset;
using index_test::NaiveDense;
using index_test::Random;
using index_test::RandomRows;
using index_test::Recall;

constexpr uint32_t kDimension = 24;

Dataset ClusteredRows(Random& random, uint32_t count) {
  const Dataset centres = RandomRows(random, 40, kDimension, true);
  Dataset rows = RandomRows(random, count, kDimension, true);
  for (uint32_t row = 0; row < count; ++row) {
    const float* centre = centres.Row(static_cast<uint32_t>(Below(random, centres.count)));
    for (uint32_t i = 0; i < kDimension; ++i) rows.values[row * kDimension + i] += centre[i];
  }
  return rows;
}

CodeGraphArrays Build(const Dataset& data, Metric metric, const KnownLinks& known,
                      uint32_t threads = 1) {
  CodeGraphBuildOptions options;
  options.build_beam = 100;
  options.thread_count = threads;
  options.known = known;
  auto built = BuildCodeGraph(data.View(), metric, options);
  EXPECT_TRUE(built.has_value()) << built.error().message;
  return std::move(*built);
}

// The rows of `all` that `wanted` names.
Dataset Select(const Dataset& all, const std::vector<uint32_t>& wanted) {
  Dataset chosen;
  chosen.dimension = all.dimension;
  chosen.count = static_cast<uint32_t>(wanted.size());
  for (const uint32_t row : wanted) {
    chosen.values.insert(chosen.values.end(), all.Row(row), all.Row(row) + all.dimension);
  }
  return chosen;
}

// Two data sets with rows in common: an older one, of which some rows are gone, and the newer.
struct Merge {
  Dataset old_rows;
  Dataset new_rows;
  std::vector<uint32_t> row_now;
};

Merge RandomMerge(Random& random, const Dataset& all, double gone, double added) {
  Merge merge;
  std::vector<uint32_t> was, is;
  for (uint32_t row = 0; row < all.count; ++row) {
    const bool is_added = static_cast<double>(Below(random, 1000)) < added * 1000;
    const bool is_gone = !is_added && static_cast<double>(Below(random, 1000)) < gone * 1000;
    if (!is_added) {
      was.push_back(row);
      merge.row_now.push_back(is_gone ? KnownLinks::kGone : static_cast<uint32_t>(is.size()));
    }
    if (!is_gone) is.push_back(row);
  }
  merge.old_rows = Select(all, was);
  merge.new_rows = Select(all, is);
  return merge;
}

double MeanRecall(const CodeGraph& graph, const Dataset& data, Metric metric,
                  const Dataset& queries, uint32_t beam_width) {
  double sum = 0.0;
  for (uint32_t q = 0; q < queries.count; ++q) {
    DenseQuery query;
    query.metric = metric;
    query.query = queries.Row(q);
    sum += Recall(*SearchCodeGraph(graph, query, beam_width), NaiveDense(data, query));
  }
  return sum / queries.count;
}

TEST(KnownLinks, RecallIsThatOfAFreshBuild) {
  struct Case {
    double gone, added;
    Metric metric;
  };
  for (const Case& c : {Case{0.0, 0.3, Metric::kEuclid}, Case{0.3, 0.0, Metric::kEuclid},
                        Case{0.3, 0.2, Metric::kDot}}) {
    SCOPED_TRACE(testing::Message() << c.gone << " gone, " << c.added << " added");
    Random random(41);
    constexpr uint32_t kRows = 1600;
    const Dataset all = ClusteredRows(random, kRows + 200);
    // Queries are rows that are in no graph.
    Dataset data = all, queries = all;
    data.count = kRows;
    queries.count = all.count - kRows;
    queries.values.erase(queries.values.begin(), queries.values.begin() + kRows * kDimension);
    const Merge merge = RandomMerge(random, data, c.gone, c.added);
    const CodeGraphArrays old_graph = Build(merge.old_rows, c.metric, {});
    const CodeGraph known = old_graph.View();
    const CodeGraphArrays merged = Build(merge.new_rows, c.metric, {&known, merge.row_now});
    const CodeGraphArrays fresh = Build(merge.new_rows, c.metric, {});
    const uint32_t beam_width = TuneBeamWidth(fresh.View(), merge.new_rows.View(), {}).beam_width;
    EXPECT_GE(MeanRecall(merged.View(), merge.new_rows, c.metric, queries, beam_width),
              MeanRecall(fresh.View(), merge.new_rows, c.metric, queries, beam_width) - 0.005)
        << "beam " << beam_width;
  }
}

TEST(KnownLinks, TheGraphDoesNotDependOnTheThreads) {
  Random random(42);
  const Dataset all = RandomRows(random, 1500, kDimension, true);
  const Merge merge = RandomMerge(random, all, 0.2, 0.3);
  const CodeGraphArrays old_graph = Build(merge.old_rows, Metric::kDot, {});
  const CodeGraph known = old_graph.View();
  const CodeGraphArrays one = Build(merge.new_rows, Metric::kDot, {&known, merge.row_now});
  const CodeGraphArrays four = Build(merge.new_rows, Metric::kDot, {&known, merge.row_now}, 4);
  EXPECT_TRUE(std::ranges::equal(one.nodes.bytes(), four.nodes.bytes()));
  EXPECT_TRUE(std::ranges::equal(one.seeds.bytes(), four.seeds.bytes()));
}

TEST(KnownLinks, EveryRowIsReachedWhateverIsGone) {
  for (uint32_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const Dataset all = RandomRows(random, 400, 8, true);
    const double gone = static_cast<double>(Below(random, 10)) / 10;
    const Merge merge = RandomMerge(random, all, gone, static_cast<double>(seed) / 10);
    const CodeGraphArrays old_graph = Build(merge.old_rows, Metric::kEuclid, {});
    const CodeGraph known = old_graph.View();
    const CodeGraphArrays merged = Build(merge.new_rows, Metric::kEuclid, {&known, merge.row_now});
    for (uint32_t row = 0; row < merge.new_rows.count; ++row) {
      DenseQuery query;
      query.metric = Metric::kEuclid;
      query.query = merge.new_rows.Row(row);
      query.k = 1;
      const auto found = SearchCodeGraph(merged.View(), query, merge.new_rows.count);
      ASSERT_EQ(found->size(), 1u);
      ASSERT_NEAR(found->front().score, 0.0f, 1e-4f) << "row " << row;
    }
  }
}

TEST(KnownLinks, RefusesAMapOfAnotherLength) {
  Random random(43);
  const Dataset data = RandomRows(random, 300, 8, true);
  const CodeGraphArrays graph = Build(data, Metric::kDot, {});
  const CodeGraph known = graph.View();
  const std::vector<uint32_t> row_now(299, KnownLinks::kGone);
  CodeGraphBuildOptions options;
  options.known = {&known, row_now};
  EXPECT_EQ(BuildCodeGraph(data.View(), Metric::kDot, options).error().code,
            ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace almagest
