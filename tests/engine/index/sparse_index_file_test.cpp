// Sparse index files: written and opened again, and what damage does to them.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/engine/index/sparse_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::BuildSparse;
using index_test::NaiveSparse;
using index_test::Random;
using index_test::SparseTerms;

NaiveSparse RandomRows(Random& random, uint32_t row_count, bool negative) {
  NaiveSparse rows;
  for (uint32_t row = 0; row < row_count; ++row) {
    rows[row] = index_test::RandomSparse(random, 10, 60, negative);
  }
  return rows;
}

// Whatever the bytes say, a search ends, with rows of the index or as corrupt.
void ExpectSearchesStayInside(const SparseIndex& index, Random& random) {
  std::vector<uint64_t> allowed(BitmapWords(index.row_count()), 0);
  for (uint64_t& word : allowed) word = Below(random, 20) == 0 ? 1 : 0;
  for (int trial = 0; trial < 4; ++trial) {
    SparseTerms terms = index_test::ToSparse(index_test::RandomSparse(random, 12, 60, trial == 3));
    if (trial < 3) {
      for (float& weight : terms.weights) weight += 0.5f;  // None is 0.
    }
    SparseQuery query;
    query.plan = trial % 2 == 0 ? SparsePlan::kTerms : SparsePlan::kBlocks;
    query.query = terms.View();
    query.k = trial == 2 ? 3000 : 10;
    if (trial == 1) query.filter.allowed_words = allowed.data();
    const auto found = index.Search(query);
    if (!found.has_value()) {
      ASSERT_EQ(found.error().code, ErrorCode::kCorruption);
      continue;
    }
    for (const ScoredRow& row : *found) ASSERT_LT(row.row, index.row_count());
  }
}

TEST(SparseIndexFileTest, AFileGivesTheSameResults) {
  const index_test::TemporaryFolder folder;
  Random random(4);
  const NaiveSparse rows = RandomRows(random, 2000, false);
  const auto arrays = BuildSparse(rows, 2000, true);
  const SparseIndexArrays none = SparseIndexBuilder().Finish(7);
  auto writer = SectionWriter::Create(folder / "a.seg");
  ASSERT_TRUE(arrays.View().Write(*writer, "words").has_value());
  ASSERT_TRUE(none.View().Write(*writer, "none").has_value());
  ASSERT_TRUE(writer->Finish().has_value());
  const auto file = SectionFile::Open(folder / "a.seg", SectionFile::Verify::kAll);
  const auto index = SparseIndex::Open(*file, "words");
  ASSERT_TRUE(index.has_value()) << index.error().message;
  for (int trial = 0; trial < 50; ++trial) {
    const SparseTerms terms = index_test::ToSparse(index_test::RandomSparse(random, 6, 60, false));
    SparseQuery query;
    query.query = terms.View();
    EXPECT_EQ(*index->Search(query), index_test::NaiveSparseSearch(rows, query));
  }
  const auto empty = SparseIndex::Open(*file, "none");
  ASSERT_TRUE(empty.has_value());
  EXPECT_EQ(empty->row_count(), 7u);
  EXPECT_TRUE(empty->Search({})->empty());
  EXPECT_EQ(SparseIndex::Open(*file, "other").error().code, ErrorCode::kCorruption);
}

TEST(SparseIndexFileTest, SearchesOfDamagedArraysStayInside) {
  Random data_random(5);
  const SparseIndexArrays any_weights =
      BuildSparse(RandomRows(data_random, 3000, true), 3000, true);
  NaiveSparse rows = RandomRows(data_random, 3000, false);
  for (auto& [row, weights] : rows) {
    for (auto& [term, weight] : weights) weight += 0.5f;
  }
  const SparseIndexArrays positive = BuildSparse(rows, 3000, true);  // Both plans can search it.
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    SparseIndexArrays damaged = seed % 2 == 0 ? any_weights : positive;
    ASSERT_FALSE(damaged.maxima.empty());  // Both forms of lists are there.
    ASSERT_FALSE(damaged.listed_postings.empty());
    const auto bytes = [](auto& array) { return std::as_writable_bytes(std::span(array)); };
    const std::span<std::byte> parts[] = {
        bytes(damaged.terms),           bytes(damaged.lists),
        bytes(damaged.listed_postings), bytes(damaged.dense_postings),
        bytes(damaged.maxima),          bytes(damaged.starts),
        bytes(damaged.directories),     bytes(damaged.row_of),
        bytes(damaged.position_of),     std::as_writable_bytes(std::span(&damaged.meta, 1))};
    const auto& part = parts[Below(random, std::size(parts))];
    for (size_t flips = 1 + Below(random, 4); flips > 0; --flips) {
      part[Below(random, part.size())] ^= static_cast<std::byte>(1 << Below(random, 8));
    }
    const auto index = SparseIndex::FromArrays({damaged.meta, damaged.terms, damaged.lists,
                                                damaged.listed_postings, damaged.dense_postings,
                                                damaged.maxima, damaged.starts, damaged.directories,
                                                damaged.row_of, damaged.position_of});
    if (index.has_value()) {
      ExpectSearchesStayInside(*index, random);
    } else {
      ASSERT_EQ(index.error().code, ErrorCode::kCorruption);
    }
  }
}

TEST(SparseIndexFileTest, EveryFlippedByteIsFoundByItsChecksum) {
  const index_test::TemporaryFolder folder;
  const std::filesystem::path path = folder / "a.seg";
  Random data_random(6);
  const SparseIndexArrays arrays = BuildSparse(RandomRows(data_random, 600, false), 600, true);
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    auto writer = SectionWriter::Create(path);
    ASSERT_TRUE(arrays.View().Write(*writer, "words").has_value());
    ASSERT_TRUE(writer->Finish().has_value());
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      const auto size = std::filesystem::file_size(path);
      const auto place = static_cast<std::streamoff>(64 + Below(random, size - 64));
      file.seekg(place);
      const int byte = file.get();
      file.seekp(place);
      file.put(static_cast<char>(byte ^ (1 << Below(random, 8))));
    }
    const auto file = SectionFile::Open(path, SectionFile::Verify::kStructure);
    if (!file.has_value()) continue;  // The table.
    const auto checked = SectionFile::Open(path, SectionFile::Verify::kAll);
    const auto index = SparseIndex::Open(*file, "words");
    if (index.has_value()) ExpectSearchesStayInside(*index, random);
    if (checked.has_value()) {  // Between two sections: nothing is damaged.
      ASSERT_TRUE(index.has_value());
      SparseQuery query;
      const std::vector<uint32_t> terms = {977, 2 * 977};
      const std::vector<float> weights = {1.0f, 2.0f};
      query.query = {terms, weights};
      ASSERT_EQ(*index->Search(query), *arrays.View().Search(query));
    }
  }
}

}  // namespace
}  // namespace almagest
