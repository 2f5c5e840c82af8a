// What the clicks of simulated users, whose wishes are known, say of versions on a collection.
#include "engine/learning/click_evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "engine/search/query_trace.h"
#include "tests/engine/learning/learning_fixture.h"
#include "tests/engine/learning/simulated_users.h"

namespace almagest {
namespace {

using testing::HasSubstr;
using Verdict = ClickEvaluationReport::Verdict;

class ClickEvaluationTest : public LearningFixture {
 protected:
  static constexpr uint64_t kQueries = 30;
  static constexpr uint32_t kDepth = 20;

  static bool Wants(uint64_t query, uint64_t point) {
    return Mix64(query * 1'000 + point) % 4 == 0;
  }
  void Explore(double rate) {
    LearningPolicy policy;
    policy.experiments.exploration = {3, kDepth, rate};
    ASSERT_TRUE(learning_->SetPolicy(*collection_, "text", policy));
  }
  // One search of six hits as a request makes it, and the clicks of its user.
  void SearchAndClick(uint64_t query, Coins& coins) {
    QueryRequest request;
    request.root.query = NearestQuery{VectorOf(500 + query)};
    request.root.using_vector = "text";
    request.root.limit = 6;
    LoggedQuery logged;
    logged.vector_name = "text";
    logged.base_vector = VectorOf(500 + query);
    const auto hits = learning_->Search(*collection_, request, &logged);
    ASSERT_TRUE(hits) << hits.error().message;
    ASSERT_EQ(hits->size(), 6u);
    EXPECT_EQ(request.root.limit, 6u);
    FeedbackInput input;
    for (size_t place = 0; place < hits->size(); ++place) {
      const PointId id = (*hits)[place].id;
      logged.results.push_back(id);
      const bool looks = coins.Falls(1 / static_cast<double>(place + 1));
      if (looks && Wants(query, std::get<uint64_t>(id))) {
        input.event.clicks.push_back({id, std::nullopt, 1});
      }
    }
    input.query = learning_->RememberQuery(kCollection, std::move(logged));
    if (input.event.clicks.empty()) return;
    std::vector<FeedbackInput> inputs = {std::move(input)};
    const auto added = learning_->AddFeedback(*collection_, std::move(inputs));
    ASSERT_TRUE(added) << added.error().message;
  }
  void SearchAndClick(int searches) {
    Coins coins(3);
    for (int i = 0; i < searches; ++i) SearchAndClick(static_cast<uint64_t>(i) % kQueries, coins);
  }
  // Points by their similarity once the first component counts `factor` times.
  static std::vector<uint64_t> Ranked(uint64_t query, double factor, std::vector<uint64_t> points) {
    const auto served = [&](uint64_t id) {
      DenseVector vector = VectorOf(id);
      vector[0] *= static_cast<float>(factor);
      double square = 0;
      for (const float value : vector) square += static_cast<double>(value) * value;
      for (float& value : vector) value /= static_cast<float>(std::sqrt(square));
      return vector;
    };
    const DenseVector target = served(500 + query);
    std::map<uint64_t, double> scores;
    for (const uint64_t id : points) {
      const DenseVector vector = served(id);
      for (size_t i = 0; i < vector.size(); ++i) scores[id] += target[i] * vector[i];
    }
    std::stable_sort(points.begin(), points.end(),
                     [&](uint64_t a, uint64_t b) { return scores[a] > scores[b]; });
    return points;
  }
  // The mean of 1 / rank, 0 beyond 10, over what users want among the candidates.
  static double Truth(double factor) {
    double sum = 0, count = 0;
    for (uint64_t query = 0; query < kQueries; ++query) {
      std::vector<uint64_t> points;
      for (uint64_t id = 0; id < 40; ++id) points.push_back(id);
      points = Ranked(query, 1, points);
      points.resize(kDepth);
      points = Ranked(query, factor, points);
      for (size_t i = 0; i < points.size(); ++i) {
        if (!Wants(query, points[i])) continue;
        count += 1;
        if (i < 10) sum += 1 / static_cast<double>(i + 1);
      }
    }
    return sum / count;
  }
  ClickEvaluationReport Evaluate(std::vector<VersionId> versions = {}) {
    ClickEvaluationRequest request;
    request.vector_name = "text";
    request.versions = std::move(versions);
    auto report = learning_->EvaluateByClicks(*collection_, request);
    EXPECT_TRUE(report) << report.error().message;
    return report ? *std::move(report) : ClickEvaluationReport{};
  }
};

TEST_F(ClickEvaluationTest, EstimatesVersionsFromTheClicksOfAnother) {
  Explore(0.5);
  SearchAndClick(3'000);
  ASSERT_EQ(RunJob(Request()).state, JobState::kSucceeded);
  OpenLearning(Leaves("promote"));  // The log is part of the feedback.
  const ClickEvaluationReport report = Evaluate({0, 1});
  ASSERT_EQ(report.verdict, Verdict::kEstimated) << report.reason;
  EXPECT_GT(report.searches_explored, 500u);
  EXPECT_GT(report.effective_sample_size, kEffectiveSampleMin);
  EXPECT_EQ(report.clicks_left_out, 0u);
  ASSERT_EQ(report.results.size(), 2u);
  const double truths[] = {Truth(1), Truth(2)};
  ASSERT_GT(std::abs(truths[0] - truths[1]), 0.005);
  for (size_t i = 0; i < 2; ++i) {
    SCOPED_TRACE("version " + std::to_string(i));
    const Interval& estimate = report.results[i].values.reciprocal_rank;
    EXPECT_LE(estimate.low, truths[i]);
    EXPECT_GE(estimate.high, truths[i]);
    EXPECT_LT(estimate.high - estimate.low, 0.1);
    EXPECT_GT(report.results[i].values.discounted_gain.mean, estimate.mean);
  }
  ASSERT_TRUE(report.results[1].over_first);
  const Interval& difference = report.results[1].over_first->reciprocal_rank;
  EXPECT_LE(difference.low, truths[1] - truths[0]);
  EXPECT_GE(difference.high, truths[1] - truths[0]);
  EXPECT_EQ(Evaluate().versions, (std::vector<VersionId>{1, 0}));
}

TEST_F(ClickEvaluationTest, FailsVisiblyWithoutExploration) {
  EXPECT_FALSE(learning_->has_experiments());
  EXPECT_THAT(Evaluate().reason, HasSubstr("no click names a search"));
  SearchAndClick(400);
  ClickEvaluationReport report = Evaluate({0});
  EXPECT_EQ(report.verdict, Verdict::kNoExploration);
  EXPECT_TRUE(report.results.empty());
  EXPECT_GT(report.searches, 200u);
  EXPECT_THAT(report.reason, HasSubstr("not enough exploration: none of the"));
  // A policy whose coin never falls is none.
  Explore(0);
  SearchAndClick(400);
  report = Evaluate({0});
  EXPECT_GT(report.searches_logged, 200u);
  EXPECT_EQ(report.verdict, Verdict::kNoExploration);
  Explore(1);
  SearchAndClick(60);
  report = Evaluate({0});
  EXPECT_EQ(report.verdict, Verdict::kNoExploration);
  EXPECT_THAT(report.reason, HasSubstr("at least 100 are needed"));
}

TEST_F(ClickEvaluationTest, ExplorationIsKeptAndTurnedOff) {
  Explore(0.25);
  EXPECT_TRUE(learning_->has_experiments());
  OpenLearning(Leaves("promote"));
  EXPECT_FALSE(learning_->has_experiments());
  learning_->Keep(1);  // The keeper reads the policies.
  EXPECT_TRUE(learning_->has_experiments());
  EXPECT_EQ(
      learning_->DescribePolicy(*collection_, "text")->state.policy.experiments.exploration.rate,
      0.25);
  ASSERT_TRUE(learning_->SetPolicy(*collection_, "text", {}));
  EXPECT_FALSE(learning_->has_experiments());
}

TEST_F(ClickEvaluationTest, ClicksOnWhatWasNotShownDoNotCount) {
  Explore(1);
  Coins coins(4);
  LoggedQuery logged;
  logged.vector_name = "text";
  logged.base_vector = VectorOf(500);
  logged.results = {PointId{uint64_t{1}}};
  auto log = LogOf(5, 1, 1, 1);
  log.explored = true;
  logged.exploration = std::make_shared<const LoggedExploration>(log);
  FeedbackInput input;
  input.query = learning_->RememberQuery(kCollection, std::move(logged));
  // Point 2 might have been shown, but was not; a client cannot say otherwise.
  input.event.clicks = {{PointId{uint64_t{1}}, 7, 1}, {PointId{uint64_t{2}}, 1, 1, 0.5}};
  for (int i = 0; i < 2; ++i) {
    std::vector<FeedbackInput> inputs = {input};
    ASSERT_TRUE(learning_->AddFeedback(*collection_, std::move(inputs)));
  }
  const ClickEvaluationReport report = Evaluate({0});
  EXPECT_EQ(report.clicks, 1u);  // Once, however often it is reported.
  EXPECT_EQ(report.clicks_left_out, 2u);
  const auto page = learning_->ListFeedback(*collection_, {}, 1, 10);
  ASSERT_TRUE(page);
  const FeedbackEvent& event = page->events[0];
  EXPECT_EQ(event.clicks[0].shown_probability, 0.2);
  EXPECT_EQ(event.clicks[1].shown_probability, std::nullopt);
  ASSERT_TRUE(event.exploration);
  EXPECT_EQ(event.exploration->candidates, log.candidates);
}

TEST_F(ClickEvaluationTest, RefusesWhatItCannotDo) {
  ClickEvaluationRequest request;
  request.vector_name = "text";
  const auto refusal = [&] {
    const auto report = learning_->EvaluateByClicks(*collection_, request);
    return report ? std::string() : report.error().message;
  };
  request.versions = {4};
  EXPECT_EQ(refusal(), "vector 'text' has no version 4");
  request = {};
  EXPECT_NE(refusal(), "");  // No such vector.
  request.vector_name = "text";
  request.k = 0;
  EXPECT_EQ(refusal(), "k is 0, it must be from 1 to 1000");
  request.k = 10;
  request.clip = 0.5;
  EXPECT_EQ(refusal(), "clip is 0.5, it must be from 1 to 1e+06");
  request.clip.reset();
  request.position_bias = 5;
  EXPECT_EQ(refusal(), "position_bias is 5, it must be from 0 to 4");
  LearningPolicy policy;
  policy.experiments.exploration = {4, 5, 0.1};
  EXPECT_EQ(learning_->SetPolicy(*collection_, "text", policy).error().message,
            "exploration.depth is 5, it must be from 6 to 1000");
}

// Other forms of queries are answered as they are.
TEST_F(ClickEvaluationTest, OnlyNearestSearchesExplore) {
  Explore(1);
  const auto explores = [&](const std::function<void(QueryRequest&)>& change) {
    QueryRequest request;
    request.root.query = NearestQuery{VectorOf(500)};
    request.root.using_vector = "text";
    request.root.limit = 6;
    change(request);
    LoggedQuery logged;
    logged.vector_name = "text";
    logged.base_vector = VectorOf(500);
    const auto hits = learning_->Search(*collection_, request, &logged);
    EXPECT_TRUE(hits) << hits.error().message;
    if (logged.exploration) {
      EXPECT_EQ(hits->size(), logged.exploration->shown);
    }
    return logged.exploration != nullptr && logged.exploration->explored;
  };
  EXPECT_TRUE(explores([](QueryRequest&) {}));
  EXPECT_FALSE(explores([](QueryRequest& request) { request.root.limit = 3; }));
  EXPECT_FALSE(explores([](QueryRequest& request) { request.root.limit = 20; }));
  EXPECT_FALSE(explores([](QueryRequest& request) { request.offset = 1; }));
  EXPECT_FALSE(explores(
      [](QueryRequest& request) { std::get<NearestQuery>(*request.root.query).mmr.emplace(); }));
  EXPECT_FALSE(explores(
      [](QueryRequest& request) { request.root.query = NearestQuery{PointId{uint64_t{3}}}; }));
  // Fewer matches than are shown: nothing to draw from.
  EXPECT_FALSE(explores([](QueryRequest& request) {
    request.root.filter.emplace().must.push_back(
        HasIdCondition{{PointId{uint64_t{1}}, PointId{uint64_t{2}}}});
  }));
  QueryTrace trace;
  EXPECT_TRUE(explores([&](QueryRequest& request) { request.trace = &trace; }));
  EXPECT_EQ(trace.hits.size(), 6u);
}

}  // namespace
}  // namespace almagest
