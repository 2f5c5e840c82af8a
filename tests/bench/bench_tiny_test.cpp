// Every benchmark in its tiny form: it runs, and its figures are there and make sense. No times.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/bench/benchmark.h"

namespace almagest::bench {
namespace {

nlohmann::json RunTiny(int (*run)(const std::vector<std::string>&)) {
  const ScratchFolder folder;
  const std::string path = (folder.path() / "rows.json").string();
  EXPECT_EQ(run({"--tiny", "--json", path}), 0);
  std::ifstream file(path);
  const auto json = nlohmann::json::parse(file, nullptr, false);
  if (json.is_discarded()) return nlohmann::json::array();
  return json["rows"];
}

TEST(BenchTinyTest, Ann) {
  const auto rows = RunTiny(RunAnnBench);
  ASSERT_FALSE(rows.empty());
  for (const auto& row : rows) {
    EXPECT_GE(row["recall_at_10"], row["recall_target"]) << row;
    EXPECT_GT(row["qps"], 0) << row;
    EXPECT_GT(row["bytes_per_vector"], 0) << row;
  }
}

TEST(BenchTinyTest, Filtered) {
  const auto rows = RunTiny(RunFilteredBench);
  ASSERT_EQ(rows.size(), 14u);
  for (const auto& row : rows) {
    EXPECT_GE(row["recall_at_10"], 0.9) << row;
    EXPECT_GT(row["qps"], 0) << row;
  }
}

TEST(BenchTinyTest, Server) {
  const auto rows = RunTiny(RunServerBench);
  ASSERT_EQ(rows.size(), 20u);  // Engine; three kinds of requests; their floors.
  for (const auto& row : rows) {
    EXPECT_GT(row["qps"], 0) << row;
    EXPECT_GE(row["p99_seconds"], row["p50_seconds"]) << row;
    EXPECT_GT(row["server_cpu_seconds"], 0) << row;
  }
  for (const size_t kind : {4, 7, 10}) EXPECT_GE(rows[kind]["recall_at_10"], 0.9);
}

TEST(BenchTinyTest, Restart) {
  const auto rows = RunTiny(RunRestartBench);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["end"], "stop");
  EXPECT_EQ(rows[1]["unsealed_rows"], 300);
}

TEST(BenchTinyTest, Ingest) {
  const auto rows = RunTiny(RunIngestBench);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0]["way"], "json");
  EXPECT_EQ(rows[1]["way"], "npy");
  EXPECT_GT(rows[2]["parse_mb_per_second"], 0);
}

TEST(BenchTinyTest, Churn) {
  const auto rows = RunTiny(RunChurnBench);
  ASSERT_EQ(rows.size(), 6u);
  for (const auto& row : rows) {
    EXPECT_GE(row["recall_at_10"], 0.9) << row;
    EXPECT_GE(row["fresh_recall_at_10"], 0.9) << row;
    EXPECT_GT(row["qps"], 0) << row;
  }
}

TEST(BenchTinyTest, Bridge) {
  const auto rows = RunTiny(RunBridgeBench);
  ASSERT_EQ(rows.size(), 4u);
  for (const auto& row : rows) {
    EXPECT_GE(row["recall_at_10"], 0.9) << row;
    EXPECT_GT(row["seconds"], 0) << row;
  }
}

TEST(BenchTinyTest, UnknownOptionsAreRefused) {
  EXPECT_NE(RunAnnBench({"--no-such-option", "1"}), 0);
  EXPECT_NE(RunRestartBench({"--rows"}), 0);
}

}  // namespace
}  // namespace almagest::bench
