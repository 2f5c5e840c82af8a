// What the two plans of a sparse search have to get right beside each other: sums that depend on
// their order, rows beyond one window of sums, terms of every frequency.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/engine/index/sparse_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::BuildSparse;
using index_test::ExpectAgrees;
using index_test::NaiveSparse;
using index_test::Random;
using index_test::SparseTerms;

// 1 + 2^-24 is the middle of two floats; whether two parts of 2^-53 lift it above depends on
// whether they are added to each other first.
TEST(SparsePlansTest, SumsInTheMiddleOfTwoFloatsAreThoseByAscendingTerm) {
  const float parts[] = {1.0f, 0x1p-24f, 0x1p-53f, 0x1p-53f};
  for (const size_t others : {0, 500, 5000}) {  // Listed and dense terms.
    NaiveSparse rows;
    std::vector<uint32_t> order = {0, 1, 2, 3};
    do {
      auto& row = rows[static_cast<uint32_t>(rows.size())];
      for (uint32_t i = 0; i < 4; ++i) row[i] = parts[order[i]];
    } while (std::next_permutation(order.begin(), order.end()));
    for (size_t i = 0; i < others; ++i) {
      rows[static_cast<uint32_t>(rows.size())][static_cast<uint32_t>(i % 4)] = 0x1p-60f;
    }
    const auto row_count = static_cast<uint32_t>(rows.size());
    const auto arrays = BuildSparse(rows, row_count, others == 500);
    const std::vector<uint32_t> terms = {0, 1, 2, 3};
    const std::vector<float> weights(4, 1.0f);
    SparseQuery query;
    query.query = {terms, weights};
    for (const size_t k : {1, 5, 12, 24, 30}) {
      SCOPED_TRACE(testing::Message() << others << " others, k " << k);
      query.k = k;
      ASSERT_NO_FATAL_FAILURE(ExpectAgrees(arrays.View(), rows, query));
    }
    std::set<float> scores;
    query.plan = SparsePlan::kTerms;
    const auto found = arrays.View().Search(query);
    ASSERT_TRUE(found.has_value());
    for (const ScoredRow& row : *found) scores.insert(row.score);
    EXPECT_GT(scores.size(), 1u);  // Else the rows above would not tell the orders apart.
  }
}

TEST(SparsePlansTest, RowsOfManyWindowsAgree) {
  constexpr uint32_t kRows = 300'000;
  Random random(7);
  NaiveSparse rows;
  const auto draw = [&](uint32_t row) {
    rows[row][0] = 0.5f + static_cast<float>(Below(random, 100)) / 50.0f;  // Dense.
    rows[row][1 + static_cast<uint32_t>(Below(random, 40))] =
        1.0f + static_cast<float>(Below(random, 8)) / 4.0f;
  };
  for (int i = 0; i < 6000; ++i) draw(static_cast<uint32_t>(Below(random, kRows)));
  for (const uint32_t row : {0u, 131'071u, 131'072u, 262'143u, 262'144u, kRows - 1}) draw(row);
  const auto arrays = BuildSparse(rows, kRows, false);
  ASSERT_FALSE(arrays.maxima.empty());
  const auto few = index_test::RandomBitmap(random, kRows, 0.02);
  for (int trial = 0; trial < 12; ++trial) {
    SCOPED_TRACE(testing::Message() << "trial " << trial);
    const SparseTerms terms =
        index_test::ToSparse({{trial % 3 == 0 ? 41u : 0u, 1.5f},
                              {1 + static_cast<uint32_t>(Below(random, 40)), 1.0f},
                              {1 + static_cast<uint32_t>(Below(random, 40)), 2.0f}});
    SparseQuery query;
    query.query = terms.View();
    query.k = trial == 5 ? 3000 : 1 + Below(random, 20);
    if (trial % 4 == 3) query.filter.allowed_words = few.data();
    ASSERT_NO_FATAL_FAILURE(ExpectAgrees(arrays.View(), rows, query));
  }
}

// Frequencies from one row to all rows, as in text: every mix of terms that are added up and terms
// that are only looked at.
TEST(SparsePlansTest, TermsOfEveryFrequencyAgree) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Random random(seed);
    const auto row_count = static_cast<uint32_t>(seed % 2 == 0 ? 30'000 : 6'000);
    constexpr uint32_t kTerms = 16;
    NaiveSparse rows;
    for (uint32_t term = 0; term < kTerms; ++term) {
      const double share = std::pow(0.5, term);
      const auto count = static_cast<size_t>(share * row_count / 2.0) + 1;
      for (size_t i = 0; i < count; ++i) {
        const auto row = static_cast<uint32_t>(Below(random, row_count));
        // As BM25: heavier in short rows; with ties.
        rows[row][term * 1000] = 0.5f + static_cast<float>(Below(random, 64)) / 48.0f;
      }
    }
    const auto arrays = BuildSparse(rows, row_count, seed % 3 != 0);
    AtomicBitmap deleted(row_count);
    for (uint32_t row = 0; row < row_count; ++row) {
      if (Below(random, 10) == 0) deleted.Set(row);
    }
    for (int trial = 0; trial < 6; ++trial) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << " trial " << trial);
      std::map<uint32_t, float> query_terms;
      for (size_t i = 1 + Below(random, 8); i > 0; --i) {
        const auto term = static_cast<uint32_t>(Below(random, kTerms));
        query_terms[term * 1000] = static_cast<float>(term + 1) * 0.7f;  // As idf.
      }
      const SparseTerms terms = index_test::ToSparse(query_terms);
      SparseQuery query;
      query.query = terms.View();
      query.k = trial == 0 ? 500 : 1 + Below(random, 20);
      if (trial % 2 == 0) query.filter.deleted_words = deleted.words();
      ASSERT_NO_FATAL_FAILURE(ExpectAgrees(arrays.View(), rows, query));
    }
  }
}

// Lists longer than what is added up at a time, within a window and across their borders, with k
// from one row to more than have a term, and rows that only the terms not added up make hits.
TEST(SparsePlansTest, LongListsAgree) {
  constexpr uint32_t kRows = 140'000;  // A window and a bit.
  Random random(11);
  NaiveSparse rows;
  const size_t counts[] = {1, 255, 256, 257, 1000, 1500, 6000};  // The last one is dense.
  for (uint32_t term = 0; term < std::size(counts); ++term) {
    for (size_t i = 0; i < counts[term]; ++i) {
      // Half of them close to each other, so that rows share terms.
      const size_t row = i % 2 == 0 ? Below(random, kRows) : 130'500 + Below(random, 1200);
      rows[static_cast<uint32_t>(row)][term] =
          0.5f + static_cast<float>(Below(random, 200)) / 150.0f;
    }
  }
  const auto arrays = BuildSparse(rows, kRows, true);
  ASSERT_FALSE(arrays.maxima.empty());
  AtomicBitmap deleted(kRows);
  for (uint32_t row = 0; row < kRows; row += 3) deleted.Set(row);
  for (int trial = 0; trial < 10; ++trial) {
    SCOPED_TRACE(testing::Message() << "trial " << trial);
    std::map<uint32_t, float> query_terms;
    for (uint32_t term = 0; term < std::size(counts); ++term) {
      if (trial == 0 || Below(random, 3) > 0) {
        query_terms[term] =
            trial % 3 == 2 && term == 6 ? 8.0f : 3.0f - 0.4f * static_cast<float>(term);
      }
    }
    const SparseTerms terms = index_test::ToSparse(query_terms);
    SparseQuery query;
    query.query = terms.View();
    query.k = trial == 1 ? 20'000 : 1 + Below(random, 40);
    if (trial % 2 == 1) query.filter.deleted_words = deleted.words();
    if (trial == 4) query.filter.row_limit = 131'000;
    ASSERT_NO_FATAL_FAILURE(ExpectAgrees(arrays.View(), rows, query));
  }
}

TEST(SparsePlansTest, EveryTermIsFoundWhateverTheirGaps) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    std::set<uint32_t> terms;
    const size_t count = 1 + Below(random, 3000);
    while (terms.size() < count) {
      // Hashes, words numbered through, numbers with gaps of every size.
      const uint64_t draw = random();
      const size_t bits = seed % 3 == 0 ? 32 : seed % 3 == 1 ? 13 : Below(random, 33);
      terms.insert(static_cast<uint32_t>(draw & ((uint64_t{1} << bits) - 1)));
    }
    SparseIndexBuilder builder;
    const std::vector<uint32_t> row(terms.begin(), terms.end());
    const std::vector<float> weights(row.size(), 1.0f);
    ASSERT_TRUE(builder.Add(0, {row, weights}).has_value());
    const auto arrays = builder.Finish(1);
    for (size_t i = 0; i < row.size(); ++i) {
      ASSERT_EQ(arrays.View().FindTerm(row[i]), i);
      for (const uint32_t other : {row[i] + 1, row[i] - 1}) {
        const auto near = std::lower_bound(row.begin(), row.end(), other);
        const size_t expected = terms.contains(other) ? near - row.begin() : row.size();
        ASSERT_EQ(arrays.View().FindTerm(other), expected);
      }
    }
    ASSERT_EQ(arrays.View().PostingCount(row.front()), 1u);
  }
}

}  // namespace
}  // namespace almagest
