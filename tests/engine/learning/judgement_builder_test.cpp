#include "engine/learning/judgement_builder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace almagest {
namespace {

// Points 0..99 are the rows of the same number; others do not exist.
std::optional<int32_t> RowOf(const PointId& id) {
  const auto* number = std::get_if<uint64_t>(&id);
  if (number == nullptr || *number >= 100) return std::nullopt;
  return static_cast<int32_t>(*number);
}

PointId P(uint64_t id) { return id; }

FeedbackEvent Event(float query, const std::string& user = "", int64_t time_ms = 1) {
  FeedbackEvent event;
  event.query = {query, 1};
  event.user = user;
  event.time_ms = time_ms;
  return event;
}

TEST(JudgementBuilder, TurnsEachKindIntoAGrade) {
  FeedbackEvent event = Event(1);
  event.clicks = {{P(1), std::nullopt, 0.5}};
  event.preferences = {{P(2), P(3)}};
  event.negatives = {P(4)};
  event.grades = {{P(5), 7}, {P(6), 0}};
  event.impressions = {{P(7), 1}};
  event.weight = 2;
  JudgementBuilder builder(RowOf);
  EXPECT_TRUE(builder.Add(event));
  JudgementCounts counts;
  const Judgements judgements = builder.Finish(&counts);
  EXPECT_EQ(judgements.document, (std::vector<int32_t>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(judgements.grade, (std::vector<float>{1, 1, 0, 0, 7, 0}));
  EXPECT_EQ(judgements.weight, (std::vector<float>{1, 2, 2, 2, 2, 2}));
  EXPECT_EQ(judgements.query, std::vector<int32_t>(6, 0));
  EXPECT_EQ(judgements.user, std::vector<int32_t>(6, -1));
  EXPECT_EQ(counts.relevant, 3u);
}

TEST(JudgementBuilder, ExplicitGradesOverruleClicksOfTheSameEvent) {
  FeedbackEvent event = Event(1);
  event.grades = {{P(1), 0}};
  event.clicks = {{P(1), std::nullopt, 1}};
  JudgementBuilder builder(RowOf);
  builder.Add(event);
  JudgementCounts counts;
  EXPECT_EQ(builder.Finish(&counts).grade, (std::vector<float>{0}));
}

TEST(JudgementBuilder, WeighsClicksByRank) {
  FeedbackEvent event = Event(1);
  event.clicks = {{P(1), 1, 1}, {P(2), 3, 1}, {P(3), 400, 1}, {P(4), std::nullopt, 1}};
  event.impressions = {{P(5), 2}};
  event.clicks.push_back({P(5), std::nullopt, 2});  // Its rank is in the impressions.
  JudgementBuilder builder(RowOf);
  builder.Add(event);
  JudgementCounts counts;
  const Judgements judgements = builder.Finish(&counts);
  // 1 / p: 1, 3, 10 (clipped), -, 2; their mean is 4.
  ASSERT_EQ(judgements.weight.size(), 5u);
  EXPECT_FLOAT_EQ(judgements.weight[0], 0.25f);
  EXPECT_FLOAT_EQ(judgements.weight[1], 0.75f);
  EXPECT_FLOAT_EQ(judgements.weight[2], 2.5f);
  EXPECT_FLOAT_EQ(judgements.weight[3], 1.0f);
  EXPECT_FLOAT_EQ(judgements.weight[4], 1.0f);  // 2 / 4, times the click's own weight of 2.
}

TEST(JudgementBuilder, MergesEqualQueriesAndKeepsTheLatestOfAUser) {
  JudgementBuilder builder(RowOf);
  const auto add = [&](float query, const std::string& user, int64_t time_ms, double grade) {
    FeedbackEvent event = Event(query, user, time_ms);
    event.grades = {{P(1), grade}};
    return builder.Add(event);
  };
  EXPECT_TRUE(add(1, "ann", 10, 3));
  EXPECT_FALSE(add(1, "ann", 20, 4));
  EXPECT_FALSE(add(1, "ann", 15, 5));  // Older than what is known.
  EXPECT_FALSE(add(1, "bob", 1, 6));
  EXPECT_FALSE(add(1, "", 1, 7));
  EXPECT_FALSE(add(1, "", 1, 8));
  EXPECT_TRUE(add(2, "ann", 1, 9));
  EXPECT_EQ(builder.query_count(), 2u);
  JudgementCounts counts;
  const Judgements judgements = builder.Finish(&counts);
  EXPECT_EQ(judgements.query, (std::vector<int32_t>{0, 0, 0, 0, 1}));
  EXPECT_EQ(judgements.user, (std::vector<int32_t>{-1, -1, 0, 1, 0}));
  EXPECT_EQ(judgements.grade, (std::vector<float>{7, 8, 4, 6, 9}));
  EXPECT_EQ(counts.events, 7u);
  EXPECT_EQ(counts.users, 2u);
}

TEST(JudgementBuilder, DropsMissingPoints) {
  FeedbackEvent gone = Event(1);
  gone.negatives = {P(100), Uuid{}};
  FeedbackEvent half = Event(2);
  half.preferences = {{P(5), P(200)}};
  JudgementBuilder builder(RowOf);
  EXPECT_FALSE(builder.Add(gone));
  EXPECT_TRUE(builder.Add(half));
  JudgementCounts counts;
  const Judgements judgements = builder.Finish(&counts);
  EXPECT_EQ(judgements.document, (std::vector<int32_t>{5}));
  EXPECT_EQ(counts.points_missing, 3u);
  EXPECT_EQ(counts.events, 2u);
  EXPECT_EQ(counts.events_used, 1u);
}

TEST(JudgementBuilder, CapsAUserOnlyAmongManyUsers) {
  for (const size_t users : {size_t{19}, size_t{20}, size_t{400}}) {
    SCOPED_TRACE(users);
    JudgementBuilder builder(RowOf);
    for (uint64_t i = 0; i < 99; ++i) {
      FeedbackEvent flood = Event(static_cast<float>(i), "flooder");
      flood.grades = {{P(i), 1}};
      flood.weight = 100;
      builder.Add(flood);
    }
    for (size_t u = 1; u < users; ++u) {
      FeedbackEvent event = Event(0, "user" + std::to_string(u));
      event.grades = {{P(u % 100), 1}};
      builder.Add(event);
    }
    JudgementCounts counts;
    const Judgements judgements = builder.Finish(&counts);
    double flooded = 0;
    double total = 0;
    for (size_t i = 0; i < judgements.weight.size(); ++i) {
      total += judgements.weight[i];
      if (judgements.user[i] == 0) {
        flooded += judgements.weight[i];
      } else {
        EXPECT_FLOAT_EQ(judgements.weight[i], 1);  // The flooder alone is scaled.
      }
    }
    EXPECT_GT(counts.largest_user_share, 0.9);
    if (users < kUserCapUsersMin) {
      EXPECT_EQ(counts.users_capped, 0u);
      EXPECT_GT(flooded / total, 0.99);
    } else {
      EXPECT_EQ(counts.users_capped, 1u);
      EXPECT_NEAR(flooded / total, users == 20 ? 0.1 : 0.01, 1e-4);
    }
  }
}

TEST(JudgementBuilder, WhatOneUserSaysForOneDocumentCountsForThreeQueries) {
  for (const size_t users : {size_t{18}, size_t{30}}) {
    SCOPED_TRACE(users);
    JudgementBuilder builder(RowOf);
    for (uint64_t i = 0; i < 12; ++i) {
      FeedbackEvent flood = Event(static_cast<float>(i), "flooder");
      flood.grades = {{P(7), 1}, {P(20 + i), 0}};  // What it says against documents is not cut.
      builder.Add(flood);
    }
    for (size_t u = 1; u < users; ++u) {
      for (uint64_t i = 0; i < 9; ++i) {
        FeedbackEvent event = Event(static_cast<float>(100 * u + i), "user" + std::to_string(u));
        event.grades = {{P(i < 3 ? 7 : 30 + i), 1}};  // Three for the same one are believed.
        builder.Add(event);
      }
    }
    JudgementCounts counts;
    const Judgements judgements = builder.Finish(&counts);
    double pushed = 0;
    for (size_t i = 0; i < judgements.weight.size(); ++i) {
      if (judgements.user[i] == 0 && judgements.grade[i] > 0) {
        pushed += judgements.weight[i];
      } else {
        EXPECT_FLOAT_EQ(judgements.weight[i], 1);
      }
    }
    EXPECT_NEAR(pushed, users < kUserCapUsersMin ? 12 : 3, 1e-4);
    EXPECT_EQ(counts.users_capped, users < kUserCapUsersMin ? 0u : 1u);
  }
}

TEST(JudgementBuilder, DoesNotCapEventsWithoutAUser) {
  JudgementBuilder builder(RowOf);
  for (size_t u = 0; u < 30; ++u) {
    FeedbackEvent event = Event(0, "user" + std::to_string(u));
    event.grades = {{P(u), 1}};
    builder.Add(event);
  }
  FeedbackEvent anonymous = Event(0);
  anonymous.grades = {{P(1), 1}};
  anonymous.weight = 100;
  builder.Add(anonymous);
  JudgementCounts counts;
  const Judgements judgements = builder.Finish(&counts);
  EXPECT_EQ(counts.users_capped, 0u);
  EXPECT_EQ(*std::max_element(judgements.weight.begin(), judgements.weight.end()), 100);
}

// The cap is the largest c that is no more than its share of what remains: found by bisection.
TEST(UserWeightCap, MatchesBisection) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    std::vector<double> weights(20 + random() % 300);
    for (double& weight : weights) {
      weight = std::exp(static_cast<double>(random() % 1'000) / 120.0);
    }
    const double unattributed = seed % 3 == 0 ? 50 : 0;
    const double share = std::max(0.01, 2.0 / static_cast<double>(weights.size()));
    const auto remaining = [&](double cap) {
      double sum = unattributed;
      for (const double weight : weights) sum += std::min(weight, cap);
      return sum;
    };
    const double heaviest = *std::max_element(weights.begin(), weights.end());
    const double cap = UserWeightCap(weights, unattributed, share);
    if (heaviest <= share * remaining(heaviest)) {
      EXPECT_EQ(cap, std::numeric_limits<double>::infinity());
      continue;
    }
    double low = 0;
    double high = heaviest;
    for (int i = 0; i < 200; ++i) {
      const double middle = (low + high) / 2;
      (middle <= share * remaining(middle) ? low : high) = middle;
    }
    EXPECT_NEAR(cap, low, 1e-9 * heaviest);
  }
}

}  // namespace
}  // namespace almagest
