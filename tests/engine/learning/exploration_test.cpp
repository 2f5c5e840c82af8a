// What exploring searches show, and what weighted clicks then say, against simulated users whose
// wishes are known.
#include "engine/learning/exploration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "engine/learning/counterfactual.h"
#include "tests/engine/learning/simulated_users.h"

namespace almagest {
namespace {

TEST(Exploration, WhatIsShownHasTheProbabilitiesThatAreLogged) {
  constexpr int kDraws = 40'000;
  const std::tuple<size_t, uint32_t, uint32_t> forms[] = {{12, 5, 2}, {9, 3, 1}, {6, 6, 2}};
  for (const auto& [candidates, shown, slots] : forms) {
    SCOPED_TRACE(std::to_string(candidates) + " candidates, " + std::to_string(shown) + " shown");
    LoggedExploration log = LogOf(candidates, shown, slots, 0.3);
    Coins coins(5);
    std::vector<double> times_shown(candidates), looks(candidates);
    for (uint64_t draw = 0; draw < kDraws; ++draw) {
      log.explored = candidates > shown && coins.Falls(log.rate);
      const auto places = DrawPlaces(log, draw);
      ASSERT_EQ(places.size(), shown);
      for (size_t place = 0; place < places.size(); ++place) {
        times_shown[places[place]] += 1.0 / kDraws;
        looks[places[place]] += 1 / static_cast<double>(place + 1) / kDraws;
      }
    }
    for (size_t i = 0; i < candidates; ++i) {
      EXPECT_NEAR(SeenProbability(log, i + 1, 0), times_shown[i], 0.01) << i;
      EXPECT_NEAR(SeenProbability(log, i + 1, 1), looks[i], 0.01) << i;
    }
    EXPECT_EQ(SeenProbability(log, 0, 0), 0);
    EXPECT_EQ(SeenProbability(log, candidates + 1, 0), 0);
  }
}

TEST(Exploration, TheSameSeedDrawsTheSame) {
  LoggedExploration log = LogOf(30, 10, 3, 1);
  EXPECT_EQ(DrawPlaces(log, 1)[9], 9u);  // It does not explore.
  log.explored = true;
  EXPECT_EQ(DrawPlaces(log, 1), DrawPlaces(log, 1));
  EXPECT_NE(DrawPlaces(log, 1), DrawPlaces(log, 2));
  EXPECT_EQ(DrawPlaces(log, 1)[6], 6u);
}

TEST(Counterfactual, MatchesWhatIsComputedByHand) {
  const std::vector<double> probabilities = {1, 0.5, 0.1};
  const std::vector<size_t> searches = {0, 0, 1};
  const ClickWeights weights = WeighClicks(probabilities, 5.0);
  EXPECT_THAT(weights.weights, testing::ElementsAre(1, 2, 5));
  EXPECT_NEAR(weights.clipped_share, 5.0 / 13, 1e-12);
  EXPECT_NEAR(WeighClicks(probabilities, std::nullopt).clip, 13 / std::sqrt(3), 1e-12);
  EXPECT_NEAR(EffectiveSampleSize(weights.weights, searches), 64.0 / (9 + 25), 1e-12);
  const std::vector<double> values = {1, 0.5, 0.2};
  const Interval estimate = EstimateValue(weights.weights, searches, values);
  EXPECT_NEAR(estimate.mean, 3.0 / 8, 1e-12);
  // Residuals by search: (1 + 1) - 3 x 3/8 = 7/8, and the negative of that.
  EXPECT_NEAR(estimate.high - estimate.mean, 1.959964 * std::sqrt(2 * 2 * 49.0 / 64) / 8, 1e-6);
  EXPECT_EQ(EstimateValue({}, {}, {}).mean, 0);
}

// Users of 60 queries with 30 candidates each want some of them; another ranking is to be judged.
struct Simulation {
  static constexpr size_t kQueries = 60, kCandidates = 30;
  bool wanted[kQueries][kCandidates];
  double value[kQueries][kCandidates];  // By the other ranking.
  double truth = 0;

  Simulation() {
    Coins coins(11);
    double sum = 0, count = 0;
    for (size_t query = 0; query < kQueries; ++query) {
      for (size_t i = 0; i < kCandidates; ++i) {
        wanted[query][i] = coins.Falls(0.15);
        // What is far down here is often far up there.
        const size_t there = static_cast<size_t>(coins.Toss() * 10) + (kCandidates - i) / 3;
        value[query][i] = 1 / static_cast<double>(1 + there);
        if (wanted[query][i]) sum += value[query][i], count += 1;
      }
    }
    truth = sum / count;
  }

  struct Outcome {
    Interval weighted, plain;
    double effective_sample_size = 0;
  };
  Outcome Run(uint64_t seed, double rate) const {
    LoggedExploration log = LogOf(kCandidates, 10, 3, rate);
    Coins coins(Mix64(seed));
    std::vector<double> probabilities, values;
    std::vector<size_t> searches;
    for (size_t search = 0; search < 6'000; ++search) {
      const size_t query = search % kQueries;
      log.explored = coins.Falls(rate);
      const auto places = DrawPlaces(log, Mix64(seed * 10'000 + search));
      for (size_t place = 0; place < places.size(); ++place) {
        if (!coins.Falls(1 / static_cast<double>(place + 1))) continue;
        if (!wanted[query][places[place]]) continue;
        probabilities.push_back(SeenProbability(log, places[place] + 1, 1));
        values.push_back(value[query][places[place]]);
        searches.push_back(search);
      }
    }
    const auto weights = WeighClicks(probabilities, std::nullopt).weights;
    const std::vector<double> ones(weights.size(), 1.0);
    return {EstimateValue(weights, searches, values), EstimateValue(ones, searches, values),
            EffectiveSampleSize(weights, searches)};
  }
  bool Covers(const Interval& interval) const {
    return interval.low <= truth && truth <= interval.high;
  }
};

TEST(Counterfactual, TheIntervalCoversTheTruthAsOftenAsItSays) {
  const Simulation simulation;
  constexpr int kRuns = 200;
  int weighted = 0, plain = 0;
  for (uint64_t seed = 0; seed < kRuns; ++seed) {
    const auto outcome = simulation.Run(seed, 0.5);
    weighted += simulation.Covers(outcome.weighted) ? 1 : 0;
    plain += simulation.Covers(outcome.plain) ? 1 : 0;
    EXPECT_GT(outcome.effective_sample_size, 200);
  }
  RecordProperty("covered_weighted", weighted);
  RecordProperty("covered_plain", plain);
  // 95 % of 200 with three standard deviations: 181.
  EXPECT_GE(weighted, 181);
  EXPECT_LE(plain, 20);  // Clicks taken at face value say something else.
  // Nor do weights help where nothing was explored: what was not shown is not there to be weighed.
  EXPECT_FALSE(simulation.Covers(simulation.Run(1, 0).weighted));
}

}  // namespace
}  // namespace almagest
