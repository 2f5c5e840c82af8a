#include "engine/index/growing_sparse_index.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::NaiveSparse;
using index_test::Random;
using index_test::SparseTerms;

TEST(GrowingSparseIndexTest, AgreesWithTheDefinitionAsItGrows) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Random random(seed);
    GrowingSparseIndex index;
    NaiveSparse rows;
    uint64_t postings = 0;
    uint32_t row = 0;
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < 900; ++i) {
        row += 1 + static_cast<uint32_t>(Below(random, 3));
        rows[row] = index_test::RandomSparse(random, 8, 50, seed % 2 == 0);
        postings += rows[row].size();
        ASSERT_TRUE(index.Append(row, index_test::ToSparse(rows[row]).View()).has_value());
      }
      SCOPED_TRACE(testing::Message() << "seed " << seed << " round " << round);
      AtomicBitmap deleted(row + 1);
      for (uint32_t r = 0; r <= row; r += 7) deleted.Set(r);
      const SparseTerms terms =
          index_test::ToSparse(index_test::RandomSparse(random, 8, 50, round % 3 == 0));
      SparseQuery query;
      query.query = terms.View();
      query.filter.deleted_words = deleted.words();
      query.filter.row_limit = static_cast<uint32_t>(Below(random, row + 2));
      ASSERT_EQ(*index.Search(query), index_test::NaiveSparseSearch(rows, query));
    }
    EXPECT_EQ(index.posting_count(), postings);
    uint64_t counted = 0;
    index.ForEachTerm([&](uint32_t term, uint32_t count) {
      counted += count;
      EXPECT_GT(count, 0u);
      EXPECT_EQ(term % 977, 0u);
    });
    EXPECT_EQ(counted, postings);
    EXPECT_EQ(index.PostingCount(1), 0u);
  }
}

TEST(GrowingSparseIndexTest, RefusesBadInputAndStaysAsItWas) {
  GrowingSparseIndex index;
  const std::vector<uint32_t> terms = {1, 2};
  const std::vector<uint32_t> unordered = {2, 1};
  const std::vector<float> weights = {1.0f, 2.0f};
  ASSERT_TRUE(index.Append(5, {terms, weights}).has_value());
  EXPECT_EQ(index.Append(5, {terms, weights}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(index.Append(6, {unordered, weights}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(index.posting_count(), 2u);
  EXPECT_EQ(index.PostingCount(2), 1u);
  SparseQuery query;
  query.query = {unordered, weights};
  EXPECT_EQ(index.Search(query).error().code, ErrorCode::kInvalidArgument);
}

TEST(GrowingSparseIndexTest, ReadersSeeWholeRowsBesideTheWriter) {
  constexpr uint32_t kRows = 5000;
  GrowingSparseIndex index;
  const std::vector<uint32_t> terms = {10, 20};
  const std::vector<float> weights = {1.0f, 1.0f};
  std::jthread writer([&] {
    for (uint32_t row = 0; row < kRows; ++row) {
      EXPECT_TRUE(index.Append(row, {terms, weights}).has_value());
    }
  });
  SparseQuery query;
  query.query = {terms, weights};
  size_t seen = 0;
  while (seen < kRows) {
    query.k = kRows;
    const auto found = index.Search(query);
    ASSERT_TRUE(found.has_value());
    ASSERT_GE(found->size(), seen);
    seen = found->size();
    for (const ScoredRow& row : *found) ASSERT_EQ(row.score, 2.0f);
  }
}

}  // namespace
}  // namespace almagest
