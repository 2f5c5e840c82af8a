// The closed-form map from judged pairs: what it suppresses, what it does not see.
#include <gtest/gtest.h>

#include <random>

#include "tests/training/synthetic_job.h"
#include "training/evaluation.h"
#include "training/space_geometry.h"

namespace almagest::training {
namespace {

// Queries are their document with loud noise in the first four axes, which means nothing.
SyntheticJob NoisyAxes(uint64_t seed, size_t documents, size_t queries) {
  SyntheticJob job = MakeSyntheticJob(seed, documents, queries);
  const auto d = static_cast<size_t>(job.dimension);
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  for (size_t row = 0; row < queries; ++row) {
    const auto answer = static_cast<size_t>(job.document[row]);
    for (size_t i = 0; i < d; ++i) {
      job.queries[row * d + i] =
          job.documents[answer * d + i] + normal(random) * (i < 4 ? 0.5f : 0.08f);
    }
  }
  return job;
}

std::vector<JudgedQuery> Judged(const SyntheticJob& job, size_t from, size_t to) {
  const auto part = [&](const auto& column) { return std::span(column).subspan(from, to - from); };
  return GroupJudgements(
      {part(job.query), part(job.document), part(job.grade), part(job.weight), part(job.user)});
}

double Quality(const VectorSpace& space, const LinearAdapter& map,
               const std::vector<JudgedQuery>& judged) {
  return Mean(Column(Evaluate(space, map, map, judged, 10, true, {}), &QueryMetrics::ndcg_at_10));
}

TEST(MatchedWhitening, SuppressesAxesInWhichQueriesAndAnswersDiffer) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    const SyntheticJob job = NoisyAxes(seed, 800, 260);
    const auto space = *VectorSpace::Create(
        job.documents, job.queries, {job.dimension, Distance::kCosine, DeviceChoice::kCpu, 1});
    const auto train = Judged(job, 0, 60);
    const auto test = Judged(job, 60, 260);
    std::vector<int32_t> rows;
    for (const JudgedQuery& query : train) rows.push_back(query.query);
    const auto basis = WhiteningBasis::Fit(*space, rows);
    ASSERT_TRUE(basis);
    const LinearAdapter matched = basis->Matched(*space, train).Map(1);
    EXPECT_EQ(matched.kind, "two_sided_linear");
    EXPECT_TRUE(matched.maps_documents);
    EXPECT_GT(Quality(*space, matched, test), Quality(*space, basis->Map(1), test) + 0.05);
    // Rotated: the same scores.
    EXPECT_NEAR(Quality(*space, basis->Matched(*space, train).RotatedMap(1), test),
                Quality(*space, matched, test), 5e-3);
    // A judged document that is not relevant says nothing.
    auto more = train;
    more.front().documents.push_back({799, 0, 1});
    EXPECT_EQ(basis->Matched(*space, more).Map(1).query_weight, matched.query_weight);
  }
}

TEST(MatchedWhitening, AGradeCountsAsOftenAsIfItWereRepeated) {
  const SyntheticJob job = NoisyAxes(4, 300, 40);
  const auto space = *VectorSpace::Create(
      job.documents, job.queries, {job.dimension, Distance::kCosine, DeviceChoice::kCpu, 1});
  const auto basis = WhiteningBasis::Fit(*space, {});
  ASSERT_TRUE(basis);
  // Two documents of one query in equal shares, by grade or by weight; and by halves of the weight.
  const auto map = [&](std::vector<JudgedDocument> documents) {
    const std::vector<JudgedQuery> judged = {{0, std::move(documents)}};
    return basis->Matched(*space, judged).Map(1).query_weight;
  };
  EXPECT_EQ(map({{3, 2, 1}, {9, 1, 1}}), map({{3, 4, 1}, {9, 2, 1}}));
  EXPECT_NE(map({{3, 2, 1}, {9, 1, 1}}), map({{3, 1, 1}, {9, 2, 1}}));
  EXPECT_EQ(map({}), basis->Map(1).query_weight);  // Nothing judged: plain whitening.
}

}  // namespace
}  // namespace almagest::training
