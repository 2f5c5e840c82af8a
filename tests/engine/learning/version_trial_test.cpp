// Versions tried on users' searches: interleaved with the active one, or in its shadow.
#include "engine/learning/version_trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "engine/search/query_executor.h"
#include "engine/search/query_trace.h"
#include "storage/base/checksum.h"
#include "tests/engine/learning/learning_fixture.h"

namespace almagest {
namespace {

TEST(TeamDraft, TakesEachPointOnceAndBothSidesEqually) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::vector<PointId> lists[2];
    for (size_t side = 0; side < 2; ++side) {
      const uint64_t size = Mix64(seed * 2 + side) % 9;
      for (uint64_t i = 0; i < 12; ++i) {
        const PointId id = Mix64(seed * 100 + side * 50 + i) % 12;
        auto& list = lists[side];
        if (list.size() < size && std::find(list.begin(), list.end(), id) == list.end()) {
          list.push_back(id);
        }
      }
    }
    const auto picks = DraftTeams(lists[0], lists[1], 6, seed);
    std::vector<PointId> shown;
    std::set<PointId> all(lists[0].begin(), lists[0].end());
    all.insert(lists[1].begin(), lists[1].end());
    int balance = 0;
    bool common = true;
    for (size_t i = 0; i < picks.size(); ++i) {
      const PointId id = lists[picks[i].from_second ? 1 : 0][picks[i].index];
      EXPECT_THAT(shown, testing::Not(testing::Contains(id)));
      shown.push_back(id);
      common = common && i < lists[0].size() && i < lists[1].size() && lists[0][i] == lists[1][i];
      EXPECT_EQ(picks[i].team == Team::kNeither, common);
      if (picks[i].team == Team::kFirst) --balance;
      if (picks[i].team == Team::kSecond) ++balance;
      // Neither is ahead by more than a pick while both have something to give.
      const auto exhausted = [&](const std::vector<PointId>& list) {
        return std::all_of(list.begin(), list.end(), [&](const PointId& point) {
          return std::find(shown.begin(), shown.end(), point) != shown.end();
        });
      };
      if (!exhausted(lists[0]) && !exhausted(lists[1])) {
        EXPECT_LE(std::abs(balance), 1);
      }
    }
    EXPECT_EQ(picks.size(), std::min<size_t>(6, all.size()));
  }
}

TEST(SignTest, MatchesTheBinomialDistribution) {
  EXPECT_EQ(SignTest(0, 0), 1);
  EXPECT_EQ(SignTest(5, 5), 1);
  EXPECT_NEAR(SignTest(0, 5), 2.0 / 32, 1e-12);
  EXPECT_NEAR(SignTest(8, 2), 2 * (1 + 10 + 45) / 1024.0, 1e-12);
  EXPECT_NEAR(SignTest(2, 8), SignTest(8, 2), 1e-15);
  EXPECT_NEAR(SignTest(560, 440), 0.00016504987, 1e-10);
}

class VersionTrialTest : public LearningFixture {
 protected:
  void SetUp() override {
    LearningFixture::SetUp();
    AddFeedback(5);
    AdaptationRequest request = Request();
    request.activate = false;
    ASSERT_EQ(RunJob(request).state, JobState::kSucceeded);  // Version 1, a candidate.
    ASSERT_EQ(active(), 0u);
  }
  void Try(TrialPolicy::Mode mode, double rate, VersionId version = 1) {
    LearningPolicy policy;
    policy.experiments.trial = {mode, version, rate};
    ASSERT_TRUE(learning_->SetPolicy(*collection_, "text", policy));
  }
  static QueryRequest Nearest(uint64_t query) {
    QueryRequest request;
    request.root.query = NearestQuery{VectorOf(500 + query)};
    request.root.using_vector = "text";
    request.root.limit = 6;
    return request;
  }
  std::vector<Hit> Search(QueryRequest& request, LoggedQuery* logged) {
    logged->vector_name = "text";
    logged->base_vector = std::get<DenseVector>(std::get<NearestQuery>(*request.root.query).target);
    auto hits = learning_->Search(*collection_, request, logged);
    EXPECT_TRUE(hits) << hits.error().message;
    if (!hits) return {};
    for (const Hit& hit : *hits) logged->results.push_back(hit.id);
    return *std::move(hits);
  }
  std::vector<PointId> Ids(uint64_t query, VersionId version) {
    QueryRequest request = Nearest(query);
    request.as_version = version;
    std::vector<PointId> ids;
    const auto hits = ExecuteQuery(*collection_, request);
    EXPECT_TRUE(hits) << hits.error().message;
    if (!hits) return ids;
    for (const Hit& hit : *hits) ids.push_back(hit.id);
    return ids;
  }
  std::vector<InterleavingOutcome> Outcomes() {
    ClickEvaluationRequest request;
    request.vector_name = "text";
    return learning_->EvaluateByClicks(*collection_, request)->interleavings;
  }
};

TEST_F(VersionTrialTest, TheVersionThatUsersWantWins) {
  Try(TrialPolicy::Mode::kInterleave, 1);
  uint64_t decided = 0;
  for (uint64_t query = 0; query < 60; ++query) {
    QueryRequest request = Nearest(query);
    LoggedQuery logged;
    Search(request, &logged);
    ASSERT_TRUE(logged.interleaving);
    EXPECT_EQ(logged.interleaving->second, 1u);
    EXPECT_EQ(logged.interleaving->teams.size(), logged.results.size());
    // Users want the two best of version 1.
    const auto wanted = Ids(query, 1);
    FeedbackInput input;
    for (const PointId& id : logged.results) {
      if (id == wanted[0] || id == wanted[1]) input.event.clicks.push_back({id, std::nullopt, 1});
    }
    const auto first = Ids(query, 0);
    decided += first[0] != wanted[0] ? 1 : 0;
    if (input.event.clicks.empty()) continue;
    input.query = learning_->RememberQuery(kCollection, std::move(logged));
    for (int times = 0; times < 2; ++times) {  // Reported twice, counted once.
      std::vector<FeedbackInput> inputs = {input};
      ASSERT_TRUE(learning_->AddFeedback(*collection_, std::move(inputs)));
    }
  }
  ASSERT_GT(decided, 20u);
  OpenLearning(Leaves("promote"));  // Outcomes are counted from the feedback.
  const auto outcomes = Outcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].first, 0u);
  EXPECT_EQ(outcomes[0].second, 1u);
  EXPECT_EQ(outcomes[0].first_wins + outcomes[0].second_wins + outcomes[0].ties,
            outcomes[0].searches);
  EXPECT_GT(outcomes[0].second_wins, outcomes[0].first_wins);
  EXPECT_LT(outcomes[0].p_value, 0.01);
}

TEST_F(VersionTrialTest, EqualVersionsAreNotToldApart) {
  Try(TrialPolicy::Mode::kInterleave, 1);
  // Users click on any hit that some coin likes.
  for (uint64_t query = 0; query < 200; ++query) {
    QueryRequest request = Nearest(query);
    LoggedQuery logged;
    Search(request, &logged);
    const PointId clicked = logged.results[Mix64(query) % logged.results.size()];
    FeedbackInput input;
    input.query = learning_->RememberQuery(kCollection, std::move(logged));
    input.event.clicks.push_back({clicked, std::nullopt, 1});
    std::vector<FeedbackInput> inputs = {input};
    ASSERT_TRUE(learning_->AddFeedback(*collection_, std::move(inputs)));
  }
  EXPECT_GT(Outcomes().at(0).p_value, 0.05);
}

TEST_F(VersionTrialTest, ShadowSearchesChangeNothingButTheSample) {
  Try(TrialPolicy::Mode::kShadow, 1);
  double overlap = 0;
  for (uint64_t query = 0; query < 20; ++query) {
    QueryRequest request = Nearest(query);
    LoggedQuery logged;
    Search(request, &logged);
    EXPECT_EQ(logged.results, Ids(query, 0));
    EXPECT_FALSE(logged.interleaving);
    const auto others = Ids(query, 1);
    for (const PointId& id : logged.results) {
      overlap += std::find(others.begin(), others.end(), id) != others.end() ? 1.0 / 6 : 0;
    }
  }
  const auto shadow = learning_->DescribePolicy(*collection_, "text")->shadow;
  ASSERT_TRUE(shadow);
  EXPECT_EQ(shadow->version, 1u);
  EXPECT_EQ(shadow->searches, 20u);
  EXPECT_NEAR(shadow->overlap, overlap, 1e-9);
  EXPECT_GT(shadow->shadow_seconds, 0);
  EXPECT_LT(overlap, 20);
}

TEST_F(VersionTrialTest, WhatCannotBeTriedIsAnsweredAsItIs) {
  const auto is_tried = [&](QueryRequest request) {
    LoggedQuery logged;
    Search(request, &logged);
    return logged.interleaving != nullptr;
  };
  Try(TrialPolicy::Mode::kInterleave, 1);
  EXPECT_TRUE(is_tried(Nearest(1)));
  QueryRequest paged = Nearest(1);
  paged.offset = 2;
  EXPECT_FALSE(is_tried(paged));
  QueryTrace trace;
  QueryRequest traced = Nearest(1);
  traced.trace = &trace;
  EXPECT_TRUE(is_tried(traced));
  EXPECT_EQ(trace.hits.size(), 6u);
  Try(TrialPolicy::Mode::kInterleave, 0);
  EXPECT_FALSE(is_tried(Nearest(1)));
  Try(TrialPolicy::Mode::kInterleave, 1);
  ASSERT_TRUE(collection_->ActivateVersion("text", 1));
  EXPECT_FALSE(is_tried(Nearest(1)));  // It is the active one.
  Try(TrialPolicy::Mode::kInterleave, 0.3, 0);
  int tried = 0;
  for (uint64_t query = 0; query < 300; ++query) tried += is_tried(Nearest(query)) ? 1 : 0;
  EXPECT_NEAR(tried, 90, 30);
  LearningPolicy unknown;
  unknown.experiments.trial = {TrialPolicy::Mode::kShadow, 9, 0.5};
  EXPECT_EQ(learning_->SetPolicy(*collection_, "text", unknown).error().message,
            "vector 'text' has no version 9 to try");
}

// A hybrid query is answered by either version as a whole.
TEST_F(VersionTrialTest, HybridQueriesAreTriedToo) {
  QueryRequest hybrid;
  hybrid.root.prefetch.push_back(Nearest(1).root);
  hybrid.root.query = FusionQuery{};
  LoggedQuery logged;
  logged.vector_name = "text";
  EXPECT_TRUE(CanTry(hybrid, logged));
  QueryNode other;
  other.query = NearestQuery{DenseVector{1, 0}};
  other.using_vector = "shape";
  hybrid.root.prefetch.push_back(other);
  EXPECT_FALSE(CanTry(hybrid, logged));
}

}  // namespace
}  // namespace almagest
