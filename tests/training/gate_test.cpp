#include "training/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace almagest::training {
namespace {

using testing::HasSubstr;

// 200 queries on which the new version gains 0.1 +- noise, everywhere.
GateInput GoodInput() {
  GateInput input;
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise(0, 0.05);
  LiveVersionQuality base;
  for (int i = 0; i < 200; ++i) {
    input.group.push_back(i);
    input.active.push_back(0.4 + noise(random));
    input.trained.push_back(input.active.back() + 0.1 + noise(random));
    base.own.push_back(input.active.back());
    base.across.push_back(input.trained.back());
  }
  input.live = {base};
  input.effective_rank = 90;
  input.base_effective_rank = 100;
  input.user_share = 0.02;
  return input;
}

const GateCondition& Find(const GateDecision& decision, const std::string& name) {
  return *std::find_if(decision.conditions.begin(), decision.conditions.end(),
                       [&](const GateCondition& condition) { return condition.name == name; });
}

// Expects a rejection for this condition alone, explained with `words`.
void ExpectOnlyFailure(const GateInput& input, const GateOptions& options, const std::string& name,
                       const std::string& words) {
  const GateDecision decision = DecideGate(input, options);
  EXPECT_EQ(decision.verdict, Verdict::kReject);
  for (const GateCondition& condition : decision.conditions) {
    EXPECT_EQ(condition.passed, condition.name != name) << condition.name;
  }
  EXPECT_THAT(Find(decision, name).explanation, HasSubstr(words));
}

TEST(Gate, PromotesAClearGain) {
  const GateDecision decision = DecideGate(GoodInput(), {});
  EXPECT_EQ(decision.verdict, Verdict::kPromote);
  EXPECT_NEAR(decision.gain.mean, 0.1, 0.02);
  EXPECT_GT(decision.gain.low, 0.08);
}

TEST(Gate, RejectsAGainThatMayBeChance) {
  GateInput input = GoodInput();
  std::mt19937_64 random(2);
  std::normal_distribution<double> noise(0.005, 0.2);
  for (size_t i = 0; i < input.trained.size(); ++i) {
    input.trained[i] = input.active[i] + noise(random);
  }
  ExpectOnlyFailure(input, {}, "gain_over_active", "the lower end must be above +0.0000");
}

TEST(Gate, MarginRaisesTheBar) {
  GateOptions options;
  options.min_gain = 0.2;
  ExpectOnlyFailure(GoodInput(), options, "gain_over_active", "must be above +0.2000");
}

TEST(Gate, RejectsWhenNewQueriesAreWorseOnDocumentsOfALiveVersion) {
  GateInput input = GoodInput();
  LiveVersionQuality old;
  old.version = 3;
  old.own = input.active;
  // Worse by 0.007 everywhere: the mean fails, its bound does not.
  for (const double value : old.own) old.across.push_back(value - 0.007);
  input.live.push_back(old);
  ExpectOnlyFailure(input, {}, "compatible_with_3", "documents of version 3");
  // A mean of -0.003 with a wide interval: only the bound fails.
  for (size_t i = 0; i < old.own.size(); ++i) {
    input.live.back().across[i] = old.own[i] - 0.003 + (i % 2 == 0 ? 0.2 : -0.2);
  }
  ExpectOnlyFailure(input, {}, "compatible_with_3_bound", "the lower end must be above -0.0100");
}

TEST(Gate, RejectsCollapseAndBrokenWeights) {
  GateInput input = GoodInput();
  input.effective_rank = 30;
  ExpectOnlyFailure(input, {}, "effective_rank", "30.0000 effective dimensions");
  input = GoodInput();
  input.geometry_finite = false;
  ExpectOnlyFailure(input, {}, "geometry_finite", "not a finite number");
}

TEST(Gate, RejectsWhenOneUserDominates) {
  GateInput input = GoodInput();
  input.user_share = 0.4;
  EXPECT_EQ(DecideGate(input, {}).verdict, Verdict::kPromote);  // No limit by default.
  GateOptions options;
  options.user_share_max = 0.1;
  ExpectOnlyFailure(input, options, "user_share", "40.0000 %");
}

TEST(Gate, TooFewQueriesAreInsufficientWhateverTheGain) {
  GateOptions options;
  options.queries_min = 201;
  const GateDecision decision = DecideGate(GoodInput(), options);
  EXPECT_EQ(decision.verdict, Verdict::kInsufficientData);
  EXPECT_THAT(Find(decision, "held_out_queries").explanation, HasSubstr("at least 201"));
  EXPECT_EQ(DecideGate({}, {}).verdict, Verdict::kInsufficientData);
}

TEST(PairedGain, CountsAGroupOfNearIdenticalQueriesOnce) {
  // One group of three that gains 0.9, three single queries that gain 0.1.
  const std::vector<double> after = {0.9, 0.9, 0.9, 0.1, 0.1, 0.1};
  const std::vector<double> before(6, 0.0);
  const std::vector<int32_t> group = {0, 0, 0, 1, 2, 3};
  EXPECT_NEAR(PairedGain(after, before, group).mean, (0.9 + 3 * 0.1) / 4, 1e-12);
}

TEST(Gate, RefusesADocumentThatIsSuddenlyEverywhere) {
  GateInput input = GoodInput();
  input.newly_shown = {17, 21, 200};
  ExpectOnlyFailure(input, {}, "most_shown_document", "21 of 200 held-out queries");
  input.newly_shown = {17, 20, 200};
  EXPECT_EQ(DecideGate(input, {}).verdict, Verdict::kPromote);
  input.newly_shown = {17, 10, 20};  // A few are no flood, whatever their share.
  EXPECT_EQ(DecideGate(input, {}).verdict, Verdict::kPromote);
}

TEST(Gate, RefusesWhatRestsOnOneUser) {
  GateInput input = GoodInput();
  input.without_top_user = {0.4, input.trained, input.active, input.group};
  EXPECT_EQ(DecideGate(input, {}).verdict, Verdict::kPromote);
  input.without_top_user->trained = input.active;
  ExpectOnlyFailure(input, {}, "gain_without_top_user", "40.0000 % of the judgement weight");
  input.without_top_user = WithoutTopUser{0.9, {}, {}, {}};
  ExpectOnlyFailure(input, {}, "gain_without_top_user", "nothing is left to learn from");
}

}  // namespace
}  // namespace almagest::training
