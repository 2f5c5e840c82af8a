#include "engine/index/hnsw_graph.h"

#include <gtest/gtest.h>

#include "engine/index/hnsw_build.h"
#include "engine/index/hnsw_search.h"
#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Random;

class HnswGraphTest : public testing::Test {
 protected:
  void SetUp() override {
    Random random(1);
    data_ = index_test::RandomRows(random, 600, 6, true, 0.1);
    auto built = BuildHnsw(data_.View(), Metric::kDot, {.degree = 4, .build_beam = 20});
    ASSERT_TRUE(built.has_value());
    arrays_ = std::move(*built);
    ASSERT_GE(arrays_.meta.entry_level, 2u);
  }
  Result<HnswGraph> Check(const HnswGraphArrays& arrays) const {
    return HnswGraph::FromArrays(arrays.meta, arrays.level0, arrays.upper_first, arrays.upper);
  }

  index_test::Dataset data_;
  HnswGraphArrays arrays_;
};

TEST_F(HnswGraphTest, AFileGivesTheSameSearchResults) {
  const index_test::TemporaryFolder folder;
  auto writer = SectionWriter::Create(folder / "a.seg");
  ASSERT_TRUE(arrays_.View().Write(*writer, "vector0.graph").has_value());
  ASSERT_TRUE(writer->AddArray("rows", std::span<const float>(data_.values)).has_value());
  ASSERT_TRUE(writer->AddArray("present", std::span<const uint64_t>(data_.present)).has_value());
  ASSERT_TRUE(writer->Finish().has_value());

  const auto file = SectionFile::Open(folder / "a.seg", SectionFile::Verify::kAll);
  ASSERT_TRUE(file.has_value());
  const auto graph = HnswGraph::Open(*file, "vector0.graph");
  ASSERT_TRUE(graph.has_value()) << graph.error().message;
  const auto rows = DenseRowsView::FromBytes(*file->Section("rows"), data_.count, data_.dimension,
                                             *file->Section("present"));
  ASSERT_TRUE(rows.has_value());
  Random random(2);
  for (int i = 0; i < 50; ++i) {
    const auto vector = index_test::RandomVector(random, data_.dimension, true);
    DenseQuery query;
    query.query = vector.data();
    const auto found = SearchHnsw(*graph, *rows, query, 20);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(*found, *SearchHnsw(arrays_.View(), data_.View(), query, 20));
  }
  EXPECT_EQ(HnswGraph::Open(*file, "other").error().code, ErrorCode::kCorruption);
}

TEST_F(HnswGraphTest, RefusesEachBrokenInvariant) {
  const auto broken = [&](auto change) {
    HnswGraphArrays arrays = arrays_;
    change(arrays);
    const auto graph = Check(arrays);
    return !graph.has_value() && graph.error().code == ErrorCode::kCorruption;
  };
  EXPECT_FALSE(broken([](HnswGraphArrays&) {}));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.level0[7] = a.meta.row_count; }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.upper[0] = a.meta.row_count + 5; }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.level0.pop_back(); }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.upper.pop_back(); }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.upper_first.pop_back(); }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.upper_first[0] = 1; }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.upper_first[300] = 0xFFFFFFF0; }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.upper_first.back() += 1; }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.meta.degree = 0; }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.meta.row_count += 1; }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.meta.entry_row = a.meta.row_count; }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.meta.entry_row = kNoRow; }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.meta.entry_level = 0; }));
  EXPECT_TRUE(broken([](HnswGraphArrays& a) { a.meta.entry_level += 1; }));
  // A link on an upper level to a row that is only on level 0 would index beyond that row's lists.
  EXPECT_TRUE(broken([](HnswGraphArrays& a) {
    uint32_t low = 0;
    while (a.upper_first[low] != a.upper_first[low + 1]) ++low;
    a.upper[0] = low;
  }));
}

TEST_F(HnswGraphTest, RandomDamageIsRefusedOrHarmless) {
  size_t accepted = 0;
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    HnswGraphArrays arrays = arrays_;
    std::vector<uint32_t>* parts[] = {&arrays.level0, &arrays.upper_first, &arrays.upper};
    for (size_t change = 0; change <= Below(random, 4); ++change) {
      std::vector<uint32_t>& part = *parts[Below(random, 3)];
      part[Below(random, part.size())] =
          Below(random, 3) == 0 ? static_cast<uint32_t>(random())
                                : static_cast<uint32_t>(Below(random, arrays.meta.row_count + 2));
    }
    const auto graph = Check(arrays);
    if (!graph.has_value()) continue;
    ++accepted;
    DenseQuery query;
    query.query = data_.Row(1);
    const auto found = SearchHnsw(*graph, data_.View(), query, 50);
    ASSERT_TRUE(found.has_value());
    for (const ScoredRow& row : *found) ASSERT_TRUE(data_.Present(row.row));
  }
  EXPECT_GT(accepted, 20u);
}

}  // namespace
}  // namespace almagest
