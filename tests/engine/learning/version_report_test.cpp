#include "engine/learning/version_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace almagest {
namespace {

TEST(VersionReport, ListsNewestFirstWithWhatTheTrainerReported) {
  AdapterVersion identity;
  identity.kind = "identity";
  identity.status = VersionStatus::kRetired;
  AdapterVersion first;
  first.id = 1;
  first.kind = "whitening";
  first.status = VersionStatus::kActive;
  first.job_id = "job-3";
  first.created_at_ms = 1'700'000'000'000;
  first.report_json =
      R"({"reason":"fine","metrics":{"active":1},"gate":{"verdict":"promote"},"scores":{"queries":9},"secret":1})";
  AdapterVersion second;
  second.id = 2;
  second.parent = 1;
  second.kind = "two_sided_linear";
  second.status = VersionStatus::kRejected;
  second.job_id = "job-4";
  second.report_json = "no json";
  const VersionSet versions(2, true, {identity, first, second}, 1);
  const auto json = nlohmann::json::parse(VersionReport(versions, {4, 9}, 100, 100));
  EXPECT_EQ(json["active"], 1);
  ASSERT_EQ(json["versions"].size(), 3u);
  const auto& newest = json["versions"][0];
  EXPECT_EQ(newest["version"], 2);
  EXPECT_EQ(newest["parent"], 1);
  EXPECT_EQ(newest["status"], "rejected");
  EXPECT_EQ(newest["tainted"], true);
  EXPECT_TRUE(newest["metrics"].is_null());
  const auto& active = json["versions"][1];
  EXPECT_EQ(active["status"], "active");
  EXPECT_EQ(active["tainted"], false);
  EXPECT_EQ(active["job_id"], "job-3");
  EXPECT_EQ(active["created_at_ms"], 1'700'000'000'000);
  EXPECT_EQ(active["reason"], "fine");
  EXPECT_EQ(active["metrics"]["active"], 1);
  EXPECT_EQ(active["gate"]["verdict"], "promote");
  EXPECT_EQ(active["scores"]["queries"], 9);
  EXPECT_TRUE(active["compatibility"].is_null());
  EXPECT_FALSE(active.contains("secret"));
  const auto& base = json["versions"][2];
  EXPECT_EQ(base["version"], 0);
  EXPECT_TRUE(base["parent"].is_null());
  EXPECT_TRUE(base["job_id"].is_null());
}

TEST(VersionReport, DetailsNameTheQueriesOfFeedbackThatIsStillThere) {
  AdapterVersion version;
  version.id = 2;
  version.kind = "two_sided_linear";
  version.job_id = "job-4";
  version.report_json = R"({"secret": 1, "changes": {"won": 1, "lost": 2, "unchanged": 0,
    "won_most": [{"query": 5, "event": 17, "active": 0.1, "trained": 0.9}],
    "lost_most": [{"query": 1, "event": 18, "active": 0.5, "trained": 0.25},
                  {"query": 2, "event": null, "active": 0.5, "trained": 0.5}]}})";
  FeedbackEvent event;
  event.query_text = "a small bird";
  event.query_id = "00ff";
  event.grades = {{PointId(uint64_t{9}), 2.0}, {PointId(uint64_t{8}), 0.0}};
  event.clicks = {{PointId(uint64_t{9}), 1}, {PointId(uint64_t{3}), 2}};
  event.preferences = {{PointId(uint64_t{4}), PointId(uint64_t{5})}};
  const auto find = [&](uint64_t id) -> Result<std::optional<FeedbackEvent>> {
    if (id == 17) return std::optional(event);
    return std::optional<FeedbackEvent>();
  };
  const auto text = VersionDetails(version, {4}, find);
  ASSERT_TRUE(text);
  const auto json = nlohmann::json::parse(*text);
  EXPECT_EQ(json["version"], 2);
  EXPECT_EQ(json["tainted"], true);
  EXPECT_EQ(json["report"]["secret"], 1);
  const auto& changes = json["report"]["changes"];
  EXPECT_EQ(changes["lost"], 2);
  EXPECT_EQ(changes["won_most"][0], nlohmann::json::parse(R"({"event": 17, "active": 0.1,
    "trained": 0.9, "text": "a small bird", "query_id": "00ff", "relevant": [9, 3, 4]})"));
  EXPECT_EQ(changes["lost_most"][0], nlohmann::json::parse(R"({"event": 18, "active": 0.5,
    "trained": 0.25, "text": null, "query_id": null, "relevant": null})"));
  EXPECT_TRUE(changes["lost_most"][1]["text"].is_null());

  const auto fails = [](uint64_t) -> Result<std::optional<FeedbackEvent>> {
    return Fail(ErrorCode::kCorruption, "bad block");
  };
  EXPECT_EQ(VersionDetails(version, {}, fails).error().message, "bad block");
  version.report_json = "no json";
  const auto without = VersionDetails(version, {}, fails);
  ASSERT_TRUE(without);
  EXPECT_TRUE(nlohmann::json::parse(*without)["report"].is_null());
}

}  // namespace
}  // namespace almagest
