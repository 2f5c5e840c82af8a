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

}  // namespace
}  // namespace almagest
