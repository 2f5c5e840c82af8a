#include "client/demo/demo_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace almagest::client {
namespace {

using testing::HasSubstr;

ModeScores Scores(double ndcg, std::vector<double> per_query) {
  return {ndcg, ndcg + 0.1, std::move(per_query)};
}

DemoReport MakeReport(double added) {
  std::vector<double> base(400), whitened(400), after(400);
  std::mt19937 random(3);
  for (size_t i = 0; i < base.size(); ++i) {
    base[i] = static_cast<double>(random() % 1000) / 2000;
    whitened[i] = base[i] + 0.05 + static_cast<double>(random() % 100) / 1000;
    after[i] = whitened[i] + added + (static_cast<double>(random() % 100) - 49.5) / 1000;
  }
  DemoReport report;
  report.before = {Scores(0.17, base), Scores(0.25, base)};
  report.whitened = {Scores(0.22, whitened), Scores(0.26, whitened)};
  report.activated = {Scores(0.24, after), Scores(0.28, after)};
  report.reembedded = {Scores(0.245, after), Scores(0.285, after)};
  report.migration = {1000, 1, 2};
  report.seconds = {{"load", 1.5}, {"total", 20}};
  return report;
}

TEST(DemoReport, HasThePromisedKeys) {
  const Json json = ReportJson(MakeReport(0.02));
  for (const Json* metrics : {&json, &json["hybrid"]}) {
    for (const char* metric : {"ndcg_at_10", "recall_at_10"}) {
      ASSERT_TRUE(metrics->contains(metric));
      for (const char* stage :
           {"before", "whitened", "activated_0_percent", "reembedded_100_percent"}) {
        EXPECT_TRUE((*metrics)[metric][stage].is_number()) << metric << " " << stage;
      }
      EXPECT_EQ((*metrics)[metric].size(), 4u);
    }
  }
  EXPECT_EQ(json["ndcg_at_10"]["whitened"], 0.22);
  EXPECT_EQ(json["hybrid"]["recall_at_10"]["before"], 0.35);
  ASSERT_EQ(json["gain_interval_95"].size(), 2u);
  EXPECT_LT(json["gain_interval_95"][0], json["gain_interval_95"][1]);
  EXPECT_EQ(json["queries_during_migration"], Json({{"sent", 1000}, {"failed", 1}, {"empty", 2}}));
  EXPECT_EQ(json["seconds"], Json({{"load", 1.5}, {"total", 20}}));
}

TEST(DemoReport, TheSentenceIsHonest) {
  EXPECT_THAT(FeedbackSentence(MakeReport(0.02)), HasSubstr("feedback added +0.0"));
  EXPECT_THAT(FeedbackSentence(MakeReport(0)), HasSubstr("cannot be told from nothing"));
  EXPECT_THAT(FeedbackSentence(MakeReport(-0.02)), HasSubstr("feedback made it worse"));
}

TEST(DemoReport, TableNamesAllStages) {
  const std::string table = ScoreTable(MakeReport(0.02));
  for (const char* text : {"before", "whitened", "0 % re-embedded", "100 %", "0.2450", "0.2850"}) {
    EXPECT_THAT(table, HasSubstr(text));
  }
}

// The normal approximation of a mean's interval is close for 400 differences.
TEST(PairedInterval, AgreesWithTheNormalApproximation) {
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::normal_distribution<double> noise(0.03, 0.2);
    std::vector<double> before(400, 0.0), after(400);
    double sum = 0, squares = 0;
    for (double& value : after) {
      value = noise(random);
      sum += value;
      squares += value * value;
    }
    const double mean = sum / 400;
    const double error = std::sqrt((squares / 400 - mean * mean) / 400);
    const GainInterval interval = PairedInterval(after, before);
    EXPECT_NEAR(interval.mean, mean, 1e-12);
    EXPECT_NEAR(interval.low, mean - 1.96 * error, 0.1 * error);
    EXPECT_NEAR(interval.high, mean + 1.96 * error, 0.1 * error);
  }
}

TEST(PairedInterval, EqualScoresGiveZero) {
  const GainInterval interval = PairedInterval({0.5, 0.25}, {0.5, 0.25});
  EXPECT_EQ(interval.low, 0);
  EXPECT_EQ(interval.high, 0);
  EXPECT_FALSE(interval.ExcludesZero());
}

}  // namespace
}  // namespace almagest::client
