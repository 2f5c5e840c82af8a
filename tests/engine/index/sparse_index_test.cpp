#include "engine/index/sparse_index.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/index/sparse_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::BuildSparse;
using index_test::ExpectAgrees;
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

TEST(SparseIndexTest, SearchAgreesWithTheDefinition) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    const bool negative = seed % 4 == 0;
    const auto row_count = static_cast<uint32_t>(seed % 5 == 0 ? 20'000 : 1 + Below(random, 3000));
    const auto vocabulary = static_cast<uint32_t>(2 + Below(random, 200));
    const NaiveSparse rows = RandomRows(random, row_count, vocabulary, negative);
    const auto arrays = BuildSparse(rows, row_count, seed % 3 != 0);
    EXPECT_EQ(arrays.row_of.empty(), seed % 3 == 0);
    const SparseIndex index = arrays.View();
    AtomicBitmap deleted(row_count);
    for (uint32_t row = 0; row < row_count; ++row) {
      if (Below(random, 6) == 0) deleted.Set(row);
    }
    const auto allowed = index_test::RandomBitmap(random, row_count, 0.4);
    const auto few = index_test::RandomBitmap(random, row_count, 0.01);
    for (int trial = 0; trial < 12; ++trial) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " trial " << trial);
      const size_t terms_max = trial % 3 == 0 ? 60 : 8;
      const SparseTerms terms = index_test::ToSparse(
          index_test::RandomSparse(random, terms_max, vocabulary, seed % 8 == 0 || trial == 11));
      SparseQuery query;
      query.query = terms.View();
      query.k = trial == 10 ? 5000 : Below(random, 40);
      if (Below(random, 2) == 0) query.filter.deleted_words = deleted.words();
      if (Below(random, 3) == 0) {
        query.filter.allowed_words = Below(random, 2) == 0 ? allowed.data() : few.data();
      }
      if (Below(random, 4) == 0)
        query.filter.row_limit = static_cast<uint32_t>(Below(random, 3000));
      ASSERT_NO_FATAL_FAILURE(ExpectAgrees(index, rows, query));
    }
  }
}

TEST(SparseIndexTest, CountsPostings) {
  Random random(3);
  const NaiveSparse rows = RandomRows(random, 5000, 40, true);
  const auto arrays = BuildSparse(rows, 5000, true);
  const SparseIndex index = arrays.View();
  std::map<uint32_t, uint32_t> frequencies;
  uint64_t postings = 0;
  for (const auto& [row, weights] : rows) {
    for (const auto& [term, weight] : weights) ++frequencies[term];
    postings += weights.size();
  }
  EXPECT_EQ(index.posting_count(), postings);
  ASSERT_EQ(index.terms().size(), frequencies.size());
  size_t number = 0;
  for (const auto& [term, frequency] : frequencies) {
    EXPECT_EQ(index.terms()[number], term);
    EXPECT_EQ(index.FindTerm(term), number++);
    EXPECT_EQ(index.PostingCount(term), frequency);
  }
  EXPECT_EQ(index.PostingCount(1), 0u);
  EXPECT_EQ(index.FindTerm(0xFFFFFFFF), index.terms().size());
}

TEST(SparseIndexTest, EqualScoresAreInTheOrderOfRowsAtEveryBoundary) {
  for (const uint32_t row_count : {1u, 31u, 32u, 33u, 2047u, 2048u, 2049u, 4096u, 6143u}) {
    NaiveSparse rows;
    for (uint32_t row = 0; row < row_count; ++row) rows[row][7 + row % 5] = rows[row][3] = 0.5f;
    for (const bool ordered : {false, true}) {
      const auto arrays = BuildSparse(rows, row_count, ordered);
      for (const size_t k : {size_t{1}, size_t{10}, size_t{100}, size_t{row_count}}) {
        SCOPED_TRACE(testing::Message()
                     << row_count << " rows, ordered " << ordered << ", k " << k);
        const std::vector<uint32_t> terms = {3, 8, 11};
        for (const float other : {2.0f, 0.0f, -1.0f}) {
          const std::vector<float> weights = {1.0f, other, other};
          SparseQuery query;
          query.query = {terms, weights};
          query.k = k;
          ASSERT_NO_FATAL_FAILURE(ExpectAgrees(arrays.View(), rows, query));
        }
      }
    }
  }
}

TEST(SparseIndexTest, WeightsOfEverySizeAndSignAreExact) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const auto draw = [&] {
      const double sign = seed % 2 == 0 && Below(random, 3) == 0 ? -1.0 : 1.0;
      const double exponent = static_cast<double>(Below(random, 74)) - 44.0;
      return static_cast<float>(sign * std::pow(10.0, exponent));  // Down to subnormal numbers.
    };
    NaiveSparse rows;
    for (uint32_t row = 0; row < 3000; ++row) {
      for (size_t i = Below(random, 9); i > 0; --i) {
        rows[row][static_cast<uint32_t>(Below(random, 20))] = draw();
      }
    }
    const auto arrays = BuildSparse(rows, 3000, true);
    for (int trial = 0; trial < 10; ++trial) {
      std::map<uint32_t, float> query_terms;
      for (uint32_t i = 0; i < 6; ++i) {
        query_terms[static_cast<uint32_t>(Below(random, 20))] = draw() * 1e8f;
      }
      const SparseTerms terms = index_test::ToSparse(query_terms);
      SparseQuery query;
      query.query = terms.View();
      query.k = 1 + Below(random, 30);
      ASSERT_NO_FATAL_FAILURE(ExpectAgrees(arrays.View(), rows, query));
    }
  }
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

}  // namespace
}  // namespace almagest
