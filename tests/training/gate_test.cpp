#include "training/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
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

TEST(Gate, TrustedJudgementsThatFallRefuseWhateverTheRestSays) {
  GateInput input = GoodInput();
  TrustedValues trusted;
  for (int i = 0; i < 40; ++i) {
    trusted.group.push_back(i);
    trusted.active.push_back(0.8);
    trusted.trained.push_back(i % 4 == 0 ? 0.5 : 0.8);
  }
  input.trusted = trusted;
  ExpectOnlyFailure(
      input, {}, "trusted_judgements",
      "On 40 trusted queries, none of which users judged, nDCG@10 goes from 0.8000 to "
      "0.7250: -0.0750 (95 % interval ");
  input.trusted->counts = {43, 9, 2};
  ExpectOnlyFailure(input, {}, "trusted_judgements",
                    "On 40 trusted queries, 2 of which users judged, too, so that their answers "
                    "may have been learned, nDCG@10 goes from 0.8000 to 0.7250");
  ExpectOnlyFailure(input, {}, "trusted_judgements",
                    " 9 judgements name points that were deleted since they were sent; 3 of 43 "
                    "queries were left out for it.");
  // With nothing to measure, nothing confirms the version.
  input.trusted = TrustedValues{{}, {}, {}, {2, 5, 0}};
  ExpectOnlyFailure(input, {}, "trusted_judgements",
                    "None of the 2 trusted queries has a relevant document left: 5 judgements");
  input.trusted = trusted;
  // Also where the held-out queries are too few to say anything.
  GateOptions strict;
  strict.queries_min = 201;
  EXPECT_EQ(DecideGate(input, strict).verdict, Verdict::kReject);
  input.trusted.reset();
  EXPECT_EQ(DecideGate(input, strict).verdict, Verdict::kInsufficientData);
  // What does not change passes, what changes by chance in both directions does not.
  trusted.trained = trusted.active;
  input.trusted = trusted;
  EXPECT_EQ(DecideGate(input, {}).verdict, Verdict::kPromote);
  for (size_t i = 0; i < 40; ++i) input.trusted->trained[i] += i % 2 == 0 ? 0.1 : -0.1;
  ExpectOnlyFailure(input, {}, "trusted_judgements",
                    "the lower end must be above -0.0050. More trusted queries would narrow");
  GateOptions lenient;
  lenient.trusted_margin = 0.2;
  EXPECT_EQ(DecideGate(input, lenient).verdict, Verdict::kPromote);
}

TEST(Gate, TheSameFeedbackJudgedAgainAndAgainHasToGainMoreClearly) {
  GateInput input = GoodInput();
  for (size_t i = 0; i < input.trained.size(); ++i) {  // 2.8 standard errors above zero.
    input.trained[i] = input.active[i] + (i % 2 == 0 ? 0.24 : -0.16);
  }
  input.live.clear();
  ASSERT_EQ(DecideGate(input, {}).verdict, Verdict::kPromote);
  input.gate_number = 12;
  ExpectOnlyFailure(input, {}, "gain_over_active", "this being gate 12 on this feedback");
  // What is reported as the gain is not narrowed or widened by that.
  EXPECT_GT(DecideGate(input, {}).gain.low, 0);
  GateOptions generous;
  generous.alpha = 0.5;
  input.gate_number = 2;
  EXPECT_EQ(DecideGate(input, generous).verdict, Verdict::kPromote);
}

TEST(GateLevel, AllGatesTogetherSpendAlpha) {
  EXPECT_NEAR(GateLevel(0.05, 1), 0.0304, 1e-4);
  double spent = 0;
  for (int64_t n = 1; n <= 100'000; ++n) spent += GateLevel(0.05, n);
  EXPECT_LT(spent, 0.05);
  EXPECT_GT(spent, 0.0499);
}

TEST(Gate, RefusesResultsThatDriftWhereNobodyJudged) {
  GateInput input = GoodInput();
  input.drift = {true, 0.05, 0.9};
  ExpectOnlyFailure(input, {}, "guard_overlap", "recent searches, which nobody judged");
  input.drift = {false, 0.05, 0.9};
  ExpectOnlyFailure(input, {}, "guard_overlap", "documents searched for by themselves");
  input.drift = {true, 0.6, 0.2};
  ExpectOnlyFailure(input, {}, "self_retrieval", "20 % of the documents");
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
  ExpectOnlyFailure(input, options, "user_share", "40 %");
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

// What nDCG differences look like: most queries do not change, some change a lot.
TEST(PairedGain, TheIntervalHoldsTheTruthAsOftenAsItSays) {
  std::mt19937_64 random(77);
  std::normal_distribution<double> small(0.02, 0.05);
  std::exponential_distribution<double> large(5);
  constexpr double kTruth = 0.3 * 0.02 + 0.2 * 0.2 - 0.1 * 0.2;
  constexpr int kTrials = 1000;
  const std::vector<double> before(150, 0.0);
  std::vector<int32_t> group(before.size());
  std::iota(group.begin(), group.end(), 0);
  int covered = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> after;
    for (size_t i = 0; i < before.size(); ++i) {
      const auto kind = random() % 10;
      after.push_back(kind < 4   ? 0
                      : kind < 7 ? small(random)
                      : kind < 9 ? large(random)
                                 : -large(random));
    }
    const Interval interval = PairedGain(after, before, group);
    covered += interval.low <= kTruth && kTruth <= interval.high;
  }
  EXPECT_GE(covered, 0.93 * kTrials);
  EXPECT_LE(covered, 0.97 * kTrials);
}

TEST(PairedGain, CountsAQueryByItsWeight) {
  // Of the same weight as without weights; half the weight: half a query.
  const std::vector<double> after = {0.8, 0.2, 0.2};
  const std::vector<double> before(3, 0.0);
  const std::vector<int32_t> group = {0, 1, 2};
  const std::vector<double> same(3, 0.25);
  const Interval plain = PairedGain(after, before, group);
  EXPECT_NEAR(PairedGain(after, before, group, 0.95, same).mean, 0.4, 1e-12);
  EXPECT_EQ(PairedGain(after, before, group, 0.95, same).low, plain.low);
  const std::vector<double> half = {0.5, 1, 1};
  EXPECT_NEAR(PairedGain(after, before, group, 0.95, half).mean, (0.4 + 0.2 + 0.2) / 2.5, 1e-12);
  // Near-identical queries are one: of their mean weight and weighted mean.
  const std::vector<int32_t> pair = {0, 0, 2};
  EXPECT_NEAR(PairedGain(after, before, pair, 0.95, half).mean,
              ((0.4 + 0.2) / 2 + 0.2) / (0.75 + 1), 1e-12);
}

TEST(Gate, ManyQueriesOfLittleWeightDoNotDecide) {
  // 150 queries that were planted gain, 50 honest ones lose.
  GateInput input = GoodInput();
  for (size_t i = 0; i < input.group.size(); ++i) {
    const bool planted = i % 4 != 0;
    input.trained[i] = input.active[i] + (planted ? 0.3 : -0.1);
  }
  input.live.clear();
  ASSERT_EQ(DecideGate(input, {}).verdict, Verdict::kPromote);
  for (size_t i = 0; i < input.group.size(); ++i) input.weight.push_back(i % 4 != 0 ? 0.02 : 1);
  ExpectOnlyFailure(input, {}, "gain_over_active", "must be above");
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
  ExpectOnlyFailure(input, {}, "gain_without_top_user", "40 % of the judgement weight");
  input.without_top_user = WithoutTopUser{0.9, {}, {}, {}};
  ExpectOnlyFailure(input, {}, "gain_without_top_user", "nothing is left to learn from");
}

}  // namespace
}  // namespace almagest::training
