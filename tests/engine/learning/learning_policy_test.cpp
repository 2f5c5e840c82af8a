// What the loop does by itself: jobs by policy, rollback by what users find, gates counted.
#include "engine/learning/learning_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/learning/gate_history.h"
#include "engine/learning/live_signals.h"
#include "storage/base/file.h"
#include "storage/base/safetensors.h"
#include "tests/engine/learning/learning_fixture.h"

namespace almagest {
namespace {

using testing::HasSubstr;

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kNowMs = 1'000'000 * kHourMs;

TEST(LearningPolicy, AJobIsDueWhenBothTimeAndFeedbackHaveCome) {
  LearningState state;
  state.seen_event = 100;
  state.last_start_ms = kNowMs;
  state.policy.automatic = true;
  state.policy.min_new_events = 50;
  state.policy.min_hours = 2;
  EXPECT_TRUE(IsJobDue(state, 150, kNowMs + 2 * kHourMs));
  EXPECT_FALSE(IsJobDue(state, 149, kNowMs + 2 * kHourMs));
  EXPECT_FALSE(IsJobDue(state, 150, kNowMs + 2 * kHourMs - 1));
  EXPECT_FALSE(IsJobDue(state, 90, kNowMs + 2 * kHourMs));
  state.policy.automatic = false;
  EXPECT_FALSE(IsJobDue(state, 150, kNowMs + 2 * kHourMs));
}

TEST(LearningPolicy, NoJobStartsInQuietHours) {
  LearningState state;
  state.policy.automatic = true;
  const auto is_due_at = [&](int64_t hour) {
    return IsJobDue(state, 1'000, 24'000 * kHourMs + hour * kHourMs);
  };
  EXPECT_TRUE(is_due_at(0));
  state.policy.quiet_hours = {8, 20};
  EXPECT_TRUE(is_due_at(7));
  EXPECT_FALSE(is_due_at(8));
  EXPECT_FALSE(is_due_at(19));
  EXPECT_TRUE(is_due_at(20));
  state.policy.quiet_hours = {22, 6};
  EXPECT_FALSE(is_due_at(23));
  EXPECT_FALSE(is_due_at(5));
  EXPECT_TRUE(is_due_at(6));
  EXPECT_TRUE(is_due_at(21));
}

TEST(LearningPolicy, ValuesOutOfRangeAreNamed) {
  EXPECT_TRUE(CheckPolicy({}));
  LearningPolicy policy;
  policy.min_new_events = 0;
  EXPECT_THAT(CheckPolicy(policy).error().message, HasSubstr("min_new_events is 0"));
  policy = {};
  policy.min_hours = -1;
  EXPECT_THAT(CheckPolicy(policy).error().message, HasSubstr("min_hours is -1"));
  policy = {};
  policy.rollback_searches = 99;
  EXPECT_THAT(CheckPolicy(policy).error().message, HasSubstr("rollback_searches is 99"));
  policy = {};
  policy.rollback_sigmas = 0.5;
  EXPECT_THAT(CheckPolicy(policy).error().message, HasSubstr("from 1 to 10"));
  policy = {};
  policy.quiet_hours = {0, 24};
  EXPECT_THAT(CheckPolicy(policy).error().message, HasSubstr("quiet_hours.until is 24"));
  policy = {};
  policy.experiments.trial.rate = 1.5;
  EXPECT_THAT(CheckPolicy(policy).error().message, HasSubstr("trial.rate is 1.5"));
}

// `searches` searches of a version, every `period`-th with a click on the first result.
void Serve(LiveSignals& signals, VersionId version, int searches, int period) {
  for (int i = 0; i < searches; ++i) {
    signals.AddSearch(1, "text", version);
    if (i % period != 0) continue;
    signals.AddReward(1, "text", version, std::to_string(version) + "/" + std::to_string(i), 1);
  }
}

TEST(LiveSignals, ComparesTheActiveVersionWithTheOneBefore) {
  LiveSignals signals;
  EXPECT_FALSE(signals.Compare(1, "text", 0));
  Serve(signals, 0, 2'000, 4);
  EXPECT_FALSE(signals.Compare(1, "text", 0));
  Serve(signals, 3, 1'000, 10);
  const auto comparison = signals.Compare(1, "text", 3);
  ASSERT_TRUE(comparison);
  EXPECT_EQ(comparison->before, 0u);
  EXPECT_EQ(comparison->now.searches, 1'000);
  EXPECT_DOUBLE_EQ(comparison->now.mean(), 0.1);
  EXPECT_DOUBLE_EQ(comparison->then.mean(), 0.25);
  // Two shares: standard errors sqrt(.1 x .9 / 1000) and sqrt(.25 x .75 / 2000).
  EXPECT_NEAR(comparison->sigmas, -0.15 / std::sqrt(0.00009 + 0.00009375), 1e-9);
  const auto reason = RollbackReason({}, *comparison);
  ASSERT_TRUE(reason);
  EXPECT_THAT(*reason, HasSubstr("version 3 0.1 over 1000 searches, for version 0 0.25 over 2000"));
  LearningPolicy off;
  off.rollback = false;
  EXPECT_FALSE(RollbackReason(off, *comparison));
  LearningPolicy patient;
  patient.rollback_searches = 1'001;
  EXPECT_FALSE(RollbackReason(patient, *comparison));
  signals.ForgetCollection(1);
  EXPECT_FALSE(signals.Compare(1, "text", 3));
}

TEST(LiveSignals, CountsASearchOnceByItsBestRank) {
  LiveSignals signals;
  signals.AddSearch(1, "text", 0);
  signals.AddSearch(1, "text", 1);
  for (const uint32_t rank : {4u, 2u, 2u, 5u}) signals.AddReward(1, "text", 1, "id", rank);
  const auto comparison = signals.Compare(1, "text", 1);
  ASSERT_TRUE(comparison);
  EXPECT_DOUBLE_EQ(comparison->now.sum, 0.5);
  EXPECT_DOUBLE_EQ(comparison->now.squares, 0.25);
}

TEST(LiveSignals, AVersionThatIsAsGoodStays) {
  LiveSignals signals;
  Serve(signals, 0, 3'000, 4);
  Serve(signals, 1, 3'000, 4);
  EXPECT_FALSE(RollbackReason({}, *signals.Compare(1, "text", 1)));
}

TEST(GateNumber, CountsVerdictsOnAboutAsMuchFeedback) {
  const auto version = [](VersionId id, const char* verdict, int events) {
    AdapterVersion made;
    made.id = id;
    made.report_json =
        nlohmann::json{{"gate", {{"verdict", verdict}}}, {"export", {{"events_used", events}}}}
            .dump();
    return made;
  };
  AdapterVersion uploaded;
  uploaded.id = 9;
  const VersionSet versions(
      4, true,
      {AdapterVersion{}, version(1, "reject", 100), version(2, "promote", 190),
       version(3, "insufficient_data", 190), version(4, "reject", 200), uploaded},
      2);
  EXPECT_EQ(GateNumber(versions, 200), 4u);
  EXPECT_EQ(GateNumber(versions, 202), 3u);
  EXPECT_EQ(GateNumber(versions, 400), 2u);
  EXPECT_EQ(GateNumber(versions, 1'000), 1u);
}

TEST(GateNumber, CountsGatesThatMayHaveAskedTheSameQueries) {
  const auto version = [](VersionId id, nlohmann::json part, int events = 100) {
    AdapterVersion made;
    made.id = id;
    made.report_json = nlohmann::json{{"gate", {{"verdict", "promote"}}},
                                      {"export", {{"events_used", events}, {"feedback", part}}}}
                           .dump();
    return made;
  };
  const VersionSet versions(
      4, true,
      {version(1, {{"tag", "de"}}), version(2, {{"tag", "fr"}}), version(3, {{"user", "ann"}}),
       version(4, nlohmann::json::object()), version(5, {{"until_ms", 9}}, 49)},
      0);
  EXPECT_EQ(GateNumber(versions, 100), 5u) << "all of the feedback is in every part";
  FeedbackFilter german;
  german.tag = "de";
  EXPECT_EQ(GateNumber(versions, 100, german), 4u) << "all but the French one";
  FeedbackFilter of_bob;
  of_bob.user = "bob";
  of_bob.tag = "it";
  EXPECT_EQ(GateNumber(versions, 100, of_bob), 3u) << "users may ask the same queries";
  FeedbackFilter later;
  later.from_ms = 9;
  EXPECT_EQ(GateNumber(versions, 100, later), 5u) << "a part below half of the events is too small";
  EXPECT_EQ(GateNumber(versions, 98, later), 6u) << "other days may ask the same queries";
}

class PartOfFeedbackTest : public LearningFixture {};

TEST_F(PartOfFeedbackTest, TeachesAVersionOfItsOwn) {
  AddFeedback(6, "ann");
  std::vector<FeedbackInput> tagged = {Graded(500, 7, 1, "bob"), Graded(501, 8, 1, "cid"),
                                       Graded(502, 9, 1, "bob")};
  for (FeedbackInput& input : tagged) input.event.tag = "de";
  ASSERT_TRUE(learning_->AddFeedback(*collection_, tagged));
  AdaptationRequest request = Request();
  request.feedback.tag = "de";
  request.activate = false;
  const Job german = RunJob(request);
  ASSERT_EQ(german.state, JobState::kSucceeded) << german.reason;
  EXPECT_EQ(german.feedback_events, 3u);
  EXPECT_EQ(german.request.feedback, request.feedback);
  EXPECT_EQ(active(), 0u);
  EXPECT_THAT(Describe(1), HasSubstr(R"("feedback":{"tag":"de"})"));
  EXPECT_EQ(learning_->DescribePolicy(*collection_, "text")->new_events, 9u)
      << "a job on a part is none on all";
  ASSERT_EQ(RunJob(Request()).feedback_events, 9u);
  EXPECT_EQ(learning_->DescribePolicy(*collection_, "text")->new_events, 0u);
  request.feedback.tag = "fr";
  const Job french = RunJob(request);
  EXPECT_EQ(french.state, JobState::kSkipped);
  EXPECT_THAT(french.reason, HasSubstr(R"(among {"tag":"fr"})"));
  FeedbackFilter of_ann;
  of_ann.user = "ann";
  ASSERT_EQ(*learning_->DeleteFeedback(*collection_, of_ann), 6u);
  EXPECT_THAT(Describe(1), HasSubstr(R"("tainted":false)")) << "it never saw what ann said";
  EXPECT_THAT(Describe(2), HasSubstr(R"("tainted":true)"));
  OpenLearning(Leaves("promote"));
  EXPECT_EQ(learning_->FindJob(german.id)->request.feedback.tag, "de") << "also after a restart";
}

class LearningKeeperTest : public LearningFixture {
 protected:
  // Searches answered by the active version; every `period`-th gets a click on its first result.
  void Search(int count, int period) {
    for (int i = 0; i < count; ++i) {
      LoggedQuery query;
      query.vector_name = "text";
      query.version = active();
      query.base_vector = VectorOf(500 + static_cast<uint64_t>(i % 100));
      query.results = {PointId{uint64_t{5}}, PointId{uint64_t{6}}};
      const std::string id = learning_->RememberQuery(kCollection, std::move(query));
      if (i % period != 0) continue;
      FeedbackInput input;
      input.query = id;
      input.event.clicks.push_back({PointId{uint64_t{5}}, std::nullopt, 1});
      std::vector<FeedbackInput> inputs = {std::move(input)};
      ASSERT_TRUE(learning_->AddFeedback(*collection_, std::move(inputs)));
    }
  }
  void SetPolicy(const LearningPolicy& policy) {
    ASSERT_TRUE(learning_->SetPolicy(*collection_, "text", policy));
  }
  LearningState State() { return learning_->DescribePolicy(*collection_, "text")->state; }
};

TEST_F(LearningKeeperTest, LeavesAVersionWithWhichUsersFindLess) {
  LearningPolicy policy;
  policy.rollback_searches = 200;
  SetPolicy(policy);
  Search(300, 2);
  ASSERT_EQ(RunJob(Request()).state, JobState::kSucceeded);
  ASSERT_EQ(active(), 1u);
  Search(199, 8);
  learning_->Keep(kNowMs);
  EXPECT_EQ(active(), 1u);  // Too few searches to say.
  Search(60, 8);
  learning_->Keep(kNowMs);
  EXPECT_EQ(active(), 0u);
  const auto rollback = State().last_rollback;
  ASSERT_TRUE(rollback);
  EXPECT_EQ(rollback->from, 1u);
  EXPECT_EQ(rollback->to, 0u);
  EXPECT_EQ(rollback->time_ms, kNowMs);
  EXPECT_THAT(rollback->reason, HasSubstr("users found less"));
  // What was left is not gone back to, even if users find less still.
  Search(400, 50);
  learning_->Keep(kNowMs);
  EXPECT_EQ(active(), 0u);
  OpenLearning(Leaves("promote"));
  EXPECT_EQ(State().last_rollback->from, 1u);  // Stored.
}

TEST_F(LearningKeeperTest, AnAdminCanTurnThatOff) {
  LearningPolicy policy;
  policy.rollback = false;
  policy.rollback_searches = 100;
  SetPolicy(policy);
  Search(300, 2);
  ASSERT_EQ(RunJob(Request()).state, JobState::kSucceeded);
  Search(300, 10);
  learning_->Keep(kNowMs);
  EXPECT_EQ(active(), 1u);
}

TEST_F(LearningKeeperTest, StartsAJobWhenThePolicySaysSo) {
  AddFeedback(30);
  learning_->Keep(kNowMs * 2);
  EXPECT_TRUE(learning_->Jobs().empty());  // Not by default.
  LearningPolicy policy;
  policy.automatic = true;
  policy.min_new_events = 31;
  SetPolicy(policy);
  learning_->Keep(kNowMs * 2);
  EXPECT_TRUE(learning_->Jobs().empty());
  AddFeedback(1);
  EXPECT_EQ(learning_->DescribePolicy(*collection_, "text")->new_events, 31u);
  learning_->Keep(kNowMs * 2);
  ASSERT_EQ(learning_->Jobs().size(), 1u);
  const Job job = WaitUntilOver(learning_->Jobs()[0].id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.reason;
  EXPECT_EQ(active(), 1u);
  EXPECT_EQ(learning_->DescribePolicy(*collection_, "text")->new_events, 0u);
  learning_->Keep(kNowMs * 2);
  EXPECT_EQ(learning_->Jobs().size(), 1u);  // Nothing new.
  AddFeedback(40);
  learning_->Keep(State().last_start_ms + 23 * kHourMs);
  EXPECT_EQ(learning_->Jobs().size(), 1u);  // Too soon.
  learning_->Keep(State().last_start_ms + 24 * kHourMs);
  ASSERT_EQ(learning_->Jobs().size(), 2u);
  WaitUntilOver(learning_->Jobs()[0].id);
}

TEST_F(LearningKeeperTest, RecentSearchesGuardTheJob) {
  const std::string kept = (folder_.path() / "kept").string();
  OpenLearning("cp -r $2 " + kept + "\n" + Leaves("promote"));
  Search(20, 2);
  ASSERT_EQ(RunJob(Request()).state, JobState::kSucceeded);
  const auto guard = Safetensors::Open(kept + "/guard.safetensors");
  ASSERT_TRUE(guard) << guard.error().message;
  const auto queries = guard->Float32("queries", std::vector<int64_t>{20, 4});
  ASSERT_TRUE(queries);
  EXPECT_NEAR((*queries)[0], VectorOf(519)[0], 1e-6);
  const auto config = nlohmann::json::parse(ReadFile(kept + "/config.json").value());
  EXPECT_EQ(config["gate_number"], 1);
}

TEST_F(LearningKeeperTest, RefusesVectorsWithoutVersions) {
  EXPECT_FALSE(learning_->SetPolicy(*collection_, "terms", {}));
  EXPECT_FALSE(learning_->SetPolicy(*collection_, "none", {}));
  EXPECT_FALSE(learning_->DescribePolicy(*collection_, "terms"));
}

}  // namespace
}  // namespace almagest
