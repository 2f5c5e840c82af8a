// Evaluation against rankings that are known beforehand.
#include "engine/learning/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/learning/ranking_metrics.h"
#include "engine/search/query_executor.h"
#include "tests/engine/learning/learning_fixture.h"

namespace almagest {
namespace {

class EvaluationTest : public LearningFixture {
 protected:
  static QueryNode Nearest(DenseVector vector) {
    QueryNode node;
    node.query = NearestQuery{std::move(vector)};
    node.using_vector = "text";
    return node;
  }
  static EvaluationRequest Dense() {
    EvaluationRequest request;
    request.mode_names = {"dense"};
    return request;
  }
  Result<EvaluationReport> Evaluate(const EvaluationRequest& request) {
    return learning_->Evaluate(*collection_, request);
  }
};

TEST_F(EvaluationTest, MeasuresAKnownRanking) {
  EvaluationRequest request = Dense();
  request.per_query = true;
  request.k = 2;
  request.recall_k = 40;
  // The first hit of a point's own vector is that point.
  request.queries.push_back({"own", {Nearest(VectorOf(9))}, {{uint64_t{9}, 2}}});
  // Point 9 is relevant, but so is one that does not exist.
  request.queries.push_back(
      {"half", {Nearest(VectorOf(9))}, {{uint64_t{9}, 1}, {uint64_t{999}, 1}}});
  request.queries.push_back({"unjudged", {Nearest(VectorOf(9))}, {{uint64_t{9}, 0}}});
  const auto report = Evaluate(request);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->queries_left_out, 1u);
  ASSERT_EQ(report->results.size(), 1u);
  const EvaluationResult& result = report->results[0];
  EXPECT_EQ(result.mode, "dense");
  EXPECT_EQ(result.version, std::nullopt);
  EXPECT_EQ(result.queries, 2u);
  const double half = 1 / (1 + 1 / std::log2(3));
  ASSERT_EQ(result.ndcg_per_query.size(), 2u);
  EXPECT_NEAR(result.ndcg_per_query[0], 1, 1e-12);
  EXPECT_NEAR(result.ndcg_per_query[1], half, 1e-12);
  EXPECT_NEAR(result.ndcg.mean, (1 + half) / 2, 1e-12);
  EXPECT_LE(result.ndcg.low, result.ndcg.mean);
  EXPECT_NEAR(result.recall.mean, 0.75, 1e-12);
  EXPECT_NEAR(result.deep_recall.mean, 0.75, 1e-12);
  EXPECT_NEAR(result.mrr.mean, 1, 1e-12);
}

TEST_F(EvaluationTest, ComparesModesAndVersionsWithDirectSearches) {
  AddFeedback(10);
  AdaptationRequest adaptation = Request();
  adaptation.activate = false;
  ASSERT_EQ(RunJob(adaptation).version, VersionId{1});
  EvaluationRequest request = Dense();
  request.mode_names = {"dense", "reversed"};
  request.versions = {0, 1};
  request.k = 5;
  request.compare = {{0, 1}};
  request.per_query = true;
  for (uint64_t i = 0; i < 20; ++i) {
    JudgedQuery query;
    query.modes = {Nearest(VectorOf(i * 2)), Nearest(VectorOf(40 - i))};
    for (uint64_t j = 0; j < 6; ++j) {
      query.judgements.push_back({(i * 3 + j * 5) % 40, static_cast<double>(j % 3)});
    }
    request.queries.push_back(std::move(query));
  }
  const auto report = Evaluate(request);
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_EQ(report->results.size(), 4u);
  for (size_t r = 0; r < 4; ++r) {
    const EvaluationResult& result = report->results[r];
    EXPECT_EQ(result.mode, r < 2 ? "dense" : "reversed");
    EXPECT_EQ(result.version, static_cast<VersionId>(r % 2));
    double sum = 0;
    for (const JudgedQuery& query : request.queries) {
      QueryRequest direct;
      direct.root = query.modes[r / 2];
      direct.root.limit = 100;
      direct.as_version = static_cast<VersionId>(r % 2);
      std::vector<PointId> ranking;
      const auto hits = ExecuteQuery(*collection_, direct).value();
      for (const Hit& hit : hits) ranking.push_back(hit.id);
      EXPECT_EQ(ranking.size(), 40u);
      sum += GradedPoints(query.judgements).Ndcg(ranking, 5, Gain::kLinear);
    }
    EXPECT_NEAR(result.ndcg.mean, sum / 20, 1e-12);
  }
  ASSERT_TRUE(report->ndcg_difference);
  EXPECT_NEAR(report->ndcg_difference->mean,
              report->results[1].ndcg.mean - report->results[0].ndcg.mean, 1e-12);
}

TEST_F(EvaluationTest, RefusesBadRequests) {
  const auto code = [&](auto change) {
    EvaluationRequest request = Dense();
    request.queries.push_back({"q", {Nearest(VectorOf(1))}, {{uint64_t{1}, 1}}});
    change(request);
    const auto report = Evaluate(request);
    EXPECT_FALSE(report);
    return report ? ErrorCode::kInternal : report.error().code;
  };
  EXPECT_EQ(code([](auto& r) { r.k = 0; }), ErrorCode::kOutOfRange);
  EXPECT_EQ(code([](auto& r) { r.k = 1'001; }), ErrorCode::kOutOfRange);
  EXPECT_EQ(code([](auto& r) { r.recall_k = 0; }), ErrorCode::kOutOfRange);
  EXPECT_EQ(code([](auto& r) { r.versions = {7}; }), ErrorCode::kNotFound);
  EXPECT_EQ(code([](auto& r) { r.versions.assign(65, 0); }), ErrorCode::kOutOfRange);
  EXPECT_EQ(code([](auto& r) { r.compare = {{0, 1}}; }), ErrorCode::kOutOfRange);
  EXPECT_EQ(code([](auto& r) { r.mode_names = {"a", "b"}; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](auto& r) {
              r.mode_names.clear();
              r.queries.clear();
            }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](auto& r) { r.queries[0].modes[0].using_vector = "absent"; }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](auto& r) {
              r.queries[0].modes[0] = Nearest({1, 2});
            }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](auto& r) { r.deadline.at = std::chrono::steady_clock::now(); }),
            ErrorCode::kTimeout);
}

}  // namespace
}  // namespace almagest
