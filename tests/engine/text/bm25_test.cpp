#include "engine/text/bm25.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace almagest {
namespace {

float WeightOf(const SparseTerms& terms, const char* token) {
  const auto at = std::find(terms.indices.begin(), terms.indices.end(), Bm25TermIndex(token));
  return at == terms.indices.end() ? 0 : terms.values[at - terms.indices.begin()];
}

TEST(Bm25, IndicesAreTheSignedMurmur3HashWithoutItsSign) {
  EXPECT_EQ(Bm25TermIndex(""), 0u);
  EXPECT_EQ(Bm25TermIndex("test"), 0u - 0xba6bd213u);
  EXPECT_EQ(Bm25TermIndex("Hello, world!"), 0u - 0xc0363e43u);
  EXPECT_EQ(Bm25TermIndex("The quick brown fox jumps over the lazy dog"), 0x2e4ff723u);
}

TEST(Bm25, DocumentWeightsFollowTheFormula) {
  Bm25Options options;
  options.k = 1.5;
  options.b = 0.5;
  options.avg_len = 10;
  const auto bm25 = Bm25::Create(options);
  ASSERT_TRUE(bm25);
  // Five tokens after stop words: dog (3 times), cat, bird.
  const SparseTerms terms = bm25->Document("the dog and the dogs, a cat, dog of a bird");
  const double saturation = 1.5 * (1 - 0.5 + 0.5 * 5 / 10);
  ASSERT_EQ(terms.indices.size(), 3u);
  EXPECT_TRUE(std::is_sorted(terms.indices.begin(), terms.indices.end()));
  EXPECT_FLOAT_EQ(WeightOf(terms, "dog"), static_cast<float>(3 * 2.5 / (3 + saturation)));
  EXPECT_FLOAT_EQ(WeightOf(terms, "cat"), static_cast<float>(2.5 / (1 + saturation)));
  EXPECT_FLOAT_EQ(WeightOf(terms, "bird"), static_cast<float>(2.5 / (1 + saturation)));
}

TEST(Bm25, QueriesWeighEachDistinctTermOnce) {
  const auto bm25 = Bm25::Create({});
  ASSERT_TRUE(bm25);
  const SparseTerms terms = bm25->Query("dogs and dog and cat");
  EXPECT_EQ(terms.values, (std::vector<float>{1, 1}));
  EXPECT_EQ(WeightOf(terms, "dog"), 1);
  EXPECT_EQ(WeightOf(terms, "cat"), 1);
  EXPECT_TRUE(bm25->Query("the of").indices.empty());
  EXPECT_TRUE(bm25->Document("").indices.empty());
}

TEST(Bm25, RefusesParametersOutOfRange) {
  const auto expect_refused = [](double k, double b, double avg_len, const char* name) {
    Bm25Options options;
    options.k = k;
    options.b = b;
    options.avg_len = avg_len;
    const auto bm25 = Bm25::Create(options);
    ASSERT_FALSE(bm25) << name;
    EXPECT_EQ(bm25.error().code, ErrorCode::kOutOfRange);
    EXPECT_THAT(bm25.error().message, testing::StartsWith(name));
  };
  expect_refused(-1, 0.75, 256, "k ");
  expect_refused(NAN, 0.75, 256, "k ");
  expect_refused(1.2, -0.1, 256, "b ");
  expect_refused(1.2, 1.1, 256, "b ");
  expect_refused(1.2, 0.75, 0, "avg_len ");
  expect_refused(1.2, 0.75, INFINITY, "avg_len ");
  Bm25Options zeros;  // The ends of the ranges are allowed: k = 0 is presence or absence.
  zeros.k = 0;
  zeros.b = 0;
  EXPECT_EQ(Bm25::Create(zeros)->Document("dog dog").values, std::vector<float>{1});
}

}  // namespace
}  // namespace almagest
