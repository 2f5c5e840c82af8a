#include "client/commands/job_display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/commands/query_builder.h"
#include "client/commands/text_table.h"
#include "client/commands/version_table.h"
#include "client/progress_bar.h"

namespace almagest::client {
namespace {

using testing::HasSubstr;

TEST(EventText, PhasesAndSteps) {
  EXPECT_EQ(EventText(Json::parse(R"({"event":"phase","name":"splitting","fraction":0})")),
            "splitting");
  EXPECT_EQ(EventText(Json::parse(R"({"event":"phase","name":"mining","fraction":0.5})")),
            "mining 50 %");
  const std::string step = EventText(Json::parse(
      R"({"event":"step","step":100,"steps":400,"loss":2.345678,"validation_ndcg_at_10":0.2139,
          "eta_seconds":75})"));
  for (const char* part :
       {"[######....", "step 100 of at most 400", "loss 2.346", "nDCG@10 0.2139", "1:15 left"}) {
    EXPECT_THAT(step, HasSubstr(part));
  }
  EXPECT_EQ(EventText(Json::parse(R"({"event":"end"})")), "");
}

TEST(OutcomeText, SaysWhatTheGateDecided) {
  const std::string yes = OutcomeText(Json::parse(R"({"state":"succeeded","version":2,"report":{
      "queries":{"held_out":812},
      "gain":{"mean":0.0412,"low":0.031,"high":0.052,"over_whitened":{}}}})"));
  EXPECT_EQ(yes,
            "The gate says yes on 812 held-out queries: nDCG@10 gain +0.0412, 95 % interval "
            "+0.0310 to +0.0520. Version 2.");
  const std::string no = OutcomeText(Json::parse(R"({"state":"rejected","version":3,
      "reason":"no gain","report":{"gate":{"conditions":[
        {"name":"gain","passed":false,"explanation":"the gain is too small"},
        {"name":"rank","passed":true,"explanation":"fine"}]}}})"));
  EXPECT_THAT(no, HasSubstr("The gate says no: no gain"));
  EXPECT_THAT(no, HasSubstr("- gain: the gain is too small"));
  EXPECT_THAT(no, testing::Not(HasSubstr("fine")));
  EXPECT_THAT(OutcomeText(Json::parse(R"({"state":"failed","reason":"killed by signal 9"})")),
              HasSubstr("killed by signal 9"));
  EXPECT_THAT(OutcomeText(Json::parse(R"({"state":"skipped","reason":"too little feedback"})")),
              HasSubstr("Nothing was trained: too little feedback"));
}

TEST(VersionTables, VersionsAndCompatibility) {
  const Json versions = Json::parse(R"([
    {"version":1,"parent":0,"kind":"two_sided_linear","status":"active","job_id":"job-1",
     "gain":{"mean":0.04,"low":0.03,"high":0.05},
     "compatibility":{"versions":["0","new"],"ndcg_at_10":[[0.2,0.1],[0.24,null]]}},
    {"version":0,"parent":null,"kind":"identity","status":"retired","job_id":null,"gain":null}])");
  const std::string table = VersionTable(versions);
  EXPECT_THAT(table, HasSubstr("two_sided_linear"));
  EXPECT_THAT(table, HasSubstr("+0.0400 (+0.0300 to +0.0500)"));
  EXPECT_EQ(CompatibilityTable(versions[0], "1"),
            "queries \\ documents       0       1\n"
            "-------------------  ------  ------\n"
            "0                    0.2000  0.1000\n"
            "1                    0.2400       -\n");
  EXPECT_EQ(CompatibilityTable(versions[1], "0"), "");
  EXPECT_EQ(CompatibilityTable(Json::parse(R"({"compatibility":{"versions":["0","new"],
                "ndcg_at_10":[[0,0],[0,0]]}})"),
                               "1"),
            "")
      << "nothing was held out";
}

TEST(VersionTables, AReportSaysWhatHeldAndWhatMoved) {
  EXPECT_EQ(ReportText(Json()), "\nNo report.\n");
  const std::string text = ReportText(Json::parse(R"({"reason":"Every condition holds.",
    "gate":{"conditions":[{"name":"gain","value":0.04,"limit":0,"passed":true},
                          {"name":"effective_rank","value":3.5,"limit":40,"passed":false}]},
    "geometry":{"effective_rank":3.5,"base_effective_rank":80,"alignment":0.7,"uniformity":-2},
    "changes":{"won":7,"lost":2,"unchanged":91,
      "won_most":[{"event":4,"active":0.1,"trained":1,"text":"a small bird"}],
      "lost_most":[{"event":5,"active":0.5,"trained":0.25,"text":null},
                   {"event":null,"active":0.5,"trained":0.25,"text":null}]}})"));
  EXPECT_THAT(text, HasSubstr("Every condition holds.\n"));
  EXPECT_THAT(text, testing::ContainsRegex("gain +holds +0.04 +0\n"));
  EXPECT_THAT(text, testing::ContainsRegex("effective_rank +FAILS +3.5 +40\n"));
  EXPECT_THAT(text, HasSubstr("effective rank 3.5 (base 80), alignment 0.7, uniformity -2\n"));
  EXPECT_THAT(text, HasSubstr("7 won, 2 lost, 91 unchanged"));
  EXPECT_THAT(text, testing::ContainsRegex("0.100 +1.000 +a small bird\n"));
  EXPECT_THAT(text, testing::ContainsRegex("0.500 +0.250 +.feedback event 5, no text.\n"));
  EXPECT_THAT(text, testing::ContainsRegex("0.500 +0.250 +.not named.\n"));
}

TEST(TextTable, WidthsCountCharactersNotBytes) {
  EXPECT_EQ(FormatTable({{"a", "n"}, {"\xc3\xa9t\xc3\xa9", "10"}}),
            "a     n\n---  --\n\xc3\xa9t\xc3\xa9  10\n");
  EXPECT_EQ(Shortened("abcdef", 6), "abcdef");
  EXPECT_EQ(Shortened("abcdefg", 6), "abc...");
}

TEST(Progress, TextParts) {
  EXPECT_EQ(BarText(0.5, 4), "[##..]");
  EXPECT_EQ(BarText(-1, 2), "[..]");
  EXPECT_EQ(BarText(7, 2), "[##]");
  EXPECT_EQ(DurationText(59.4), "59 s");
  EXPECT_EQ(DurationText(187), "3:07");
  EXPECT_EQ(DurationText(3727), "1:02:07");
}

TEST(QueryBuilder, FieldsAndChoices) {
  const VectorFields unnamed =
      FieldsOf(Json::parse(R"({"config":{"params":{"vectors":{"size":4,"distance":"Dot"}}}})"));
  EXPECT_EQ(unnamed.dense, std::vector<std::string>{""});
  const VectorFields named = FieldsOf(Json::parse(
      R"({"config":{"params":{"vectors":{"a":{"size":4},"b":{"size":4}},
          "sparse_vectors":{"s":{}}}}})"));
  EXPECT_EQ(OnlyOrChosen(named.sparse, "", "sparse", "--sparse"), "s");
  EXPECT_EQ(OnlyOrChosen(named.dense, "b", "dense", "--vector"), "b");
  EXPECT_THROW(OnlyOrChosen(named.dense, "", "dense", "--vector"), ClientError);
  EXPECT_THROW(OnlyOrChosen(named.dense, "c", "dense", "--vector"), ClientError);
  EXPECT_THROW(OnlyOrChosen({}, "", "dense", "--vector"), ClientError);
}

}  // namespace
}  // namespace almagest::client
