#include "engine/index/sparse_index.h"

#include <gtest/gtest.h>

#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::NaiveSparse;
using index_test::Random;
using index_test::SparseTerms;

NaiveSparse RandomRows(Random& random, uint32_t row_count, uint32_t vocabulary, bool negative) {
  NaiveSparse rows;
  for (uint32_t row = 0; row < row_count; ++row) {
    if (Below(random, 10) == 0) continue;
    rows[row] = index_test::RandomSparse(random, 12, vocabulary, negative);
  }
  return rows;
}

SparseIndexArrays BuildIndex(const NaiveSparse& rows, uint32_t row_count) {
  SparseIndexBuilder builder;
  for (const auto& [row, weights] : rows) {
    EXPECT_TRUE(builder.Add(row, index_test::ToSparse(weights).View()).has_value());
  }
  return builder.Finish(row_count);
}

TEST(SparseIndexTest, SearchAgreesWithTheDefinition) {
  for (uint64_t seed = 1; seed <= 80; ++seed) {
    Random random(seed);
    const bool negative = seed % 4 == 0;
    const auto row_count = static_cast<uint32_t>(seed % 5 == 0 ? 20'000 : 1 + Below(random, 3000));
    const auto vocabulary = static_cast<uint32_t>(2 + Below(random, 200));
    const NaiveSparse rows = RandomRows(random, row_count, vocabulary, negative);
    const auto arrays = BuildIndex(rows, row_count);
    const SparseIndex index = arrays.View();
    AtomicBitmap deleted(row_count);
    for (uint32_t row = 0; row < row_count; ++row) {
      if (Below(random, 6) == 0) deleted.Set(row);
    }
    const auto allowed = index_test::RandomBitmap(random, row_count, 0.4);
    for (int trial = 0; trial < 12; ++trial) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " trial " << trial);
      const SparseTerms terms = index_test::ToSparse(
          index_test::RandomSparse(random, 16, vocabulary, seed % 8 == 0 || trial == 11));
      SparseQuery query;
      query.query = terms.View();
      query.k = Below(random, 40);
      if (Below(random, 2) == 0) query.filter.deleted_words = deleted.words();
      if (Below(random, 3) == 0) query.filter.allowed_words = allowed.data();
      if (Below(random, 4) == 0)
        query.filter.row_limit = static_cast<uint32_t>(Below(random, 3000));
      const auto found = index.Search(query);
      ASSERT_TRUE(found.has_value());
      ASSERT_EQ(*found, index_test::NaiveSparseSearch(rows, query));
    }
  }
}

TEST(SparseIndexTest, CountsAndListsPostings) {
  Random random(3);
  const NaiveSparse rows = RandomRows(random, 5000, 40, true);
  const auto arrays = BuildIndex(rows, 5000);
  const SparseIndex index = arrays.View();
  std::map<uint32_t, std::map<uint32_t, float>> by_term;
  uint64_t postings = 0;
  for (const auto& [row, weights] : rows) {
    for (const auto& [term, weight] : weights) by_term[term][row] = weight;
    postings += weights.size();
  }
  EXPECT_EQ(index.posting_count(), postings);
  ASSERT_EQ(index.terms().size(), by_term.size());
  size_t number = 0;
  for (const auto& [term, list] : by_term) {
    EXPECT_EQ(index.terms()[number], term);
    EXPECT_EQ(index.FindTerm(term), number);
    EXPECT_EQ(index.PostingCount(term), list.size());
    const PostingListView view = index.Postings(number++);
    std::map<uint32_t, float> read;
    for (size_t i = 0; i < view.rows.size(); ++i) read[view.rows[i]] = view.weights[i];
    EXPECT_EQ(read, list);
  }
  EXPECT_EQ(index.PostingCount(1), 0u);
  EXPECT_EQ(index.FindTerm(0xFFFFFFFF), index.terms().size());
}

TEST(SparseIndexTest, RefusesBadVectorsAndRows) {
  SparseIndexBuilder builder;
  const auto code = [](const Result<>& result) { return result.error().code; };
  const std::vector<uint32_t> terms = {1, 5};
  const std::vector<uint32_t> repeated = {5, 5};
  const std::vector<float> weights = {1.0f, 2.0f};
  const std::vector<float> infinite = {1.0f, std::numeric_limits<float>::infinity()};
  EXPECT_TRUE(builder.Add(3, {terms, weights}).has_value());
  EXPECT_EQ(code(builder.Add(3, {terms, weights})), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(builder.Add(4, {repeated, weights})), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(builder.Add(4, {terms, infinite})), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(builder.Add(4, {terms, std::span(weights).first(1)})),
            ErrorCode::kInvalidArgument);
  const auto arrays = builder.Finish(10);
  EXPECT_EQ(arrays.View().posting_count(), 2u);
  SparseQuery query;
  query.query = {repeated, weights};
  EXPECT_EQ(arrays.View().Search(query).error().code, ErrorCode::kInvalidArgument);
  const std::atomic<bool> stop{true};
  query.query = {terms, weights};
  query.cancel.stop = &stop;
  EXPECT_EQ(arrays.View().Search(query).error().code, ErrorCode::kTimeout);
}

TEST(SparseIndexTest, AFileGivesTheSameResults) {
  const index_test::TemporaryFolder folder;
  Random random(4);
  const NaiveSparse rows = RandomRows(random, 2000, 60, false);
  const auto arrays = BuildIndex(rows, 2000);
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

TEST(SparseIndexTest, RandomDamageIsRefused) {
  Random data_random(5);
  const NaiveSparse rows = RandomRows(data_random, 1000, 30, true);
  const auto intact = BuildIndex(rows, 1000);
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    SparseIndexArrays damaged = intact;
    const std::span<std::byte> parts[] = {std::as_writable_bytes(std::span(damaged.postings_first)),
                                          std::as_writable_bytes(std::span(damaged.blocks_first)),
                                          std::as_writable_bytes(std::span(damaged.blocks)),
                                          std::as_writable_bytes(std::span(damaged.rows)),
                                          std::as_writable_bytes(std::span(damaged.terms)),
                                          std::as_writable_bytes(std::span(damaged.weights)),
                                          std::as_writable_bytes(std::span(&damaged.meta, 1))};
    const auto& part = parts[Below(random, std::size(parts))];
    std::byte& victim = part[Below(random, part.size())];
    victim ^= static_cast<std::byte>(1 << Below(random, 8));
    const auto index = SparseIndex::FromArrays({damaged.meta, damaged.terms, damaged.postings_first,
                                                damaged.blocks_first, damaged.blocks, damaged.rows,
                                                damaged.weights});
    if (!index.has_value()) {
      ASSERT_EQ(index.error().code, ErrorCode::kCorruption);
      continue;
    }
    // What is accepted is a sound index of other content; any search stays inside of it.
    const SparseTerms terms = index_test::ToSparse(index_test::RandomSparse(random, 8, 30, true));
    SparseQuery query;
    query.query = terms.View();
    const auto found = index->Search(query);
    ASSERT_TRUE(found.has_value());
    for (const ScoredRow& row : *found) ASSERT_LT(row.row, index->row_count());
  }
}

}  // namespace
}  // namespace almagest
