// The sparse benchmark in its tiny form, and its generator.
#include "tests/bench/sparse/sparse_bench.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/bench/sparse/sparse_data.h"

namespace almagest::bench {
namespace {

TEST(SparseBenchTest, TheTinyFormGivesIdenticalResults) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("sparse-bench-" + std::to_string(getpid()));
  ASSERT_EQ(RunSparseBench({"--tiny", "--json", path.string()}), 0);
  std::ifstream file(path);
  const auto rows = nlohmann::json::parse(file)["rows"];
  std::filesystem::remove(path);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["system"], "term-at-a-time");
  EXPECT_EQ(rows[1]["system"], "almagest");
  for (const auto& row : rows) {
    EXPECT_EQ(row["identical"], true);
    EXPECT_GT(row["qps"], 0);
    EXPECT_GT(row["bytes_per_document"], 0);
  }
}

TEST(SparseBenchTest, UnknownOptionsAndMissingDataAreRefused) {
  EXPECT_EQ(RunSparseBench({"--no-such-option", "1"}), 2);
  EXPECT_EQ(RunSparseBench({"--json"}), 2);
  EXPECT_EQ(RunSparseBench({"--wordnet", "/"}), 2);
  EXPECT_EQ(RunSparseBench({"--data", "/no/such/folder", "--documents", "0"}), 1);
}

TEST(SparseBenchTest, TheLearnedSetIsTheSameEveryTime) {
  const LearnedSparseOptions options{.documents = 300, .queries = 5, .vocabulary = 1000};
  const SparseData a = MakeLearnedSparseSet(options);
  const SparseData b = MakeLearnedSparseSet(options);
  ASSERT_EQ(a.documents.size(), 300u);
  ASSERT_EQ(a.queries.size(), 5u);
  for (size_t row = 0; row < 300; ++row) {
    ASSERT_TRUE(ValidateSparse(a.documents[row]).has_value());
    EXPECT_TRUE(std::ranges::equal(a.documents[row].terms, b.documents[row].terms));
    EXPECT_TRUE(std::ranges::equal(a.documents[row].weights, b.documents[row].weights));
  }
  const double mean = static_cast<double>(a.documents.posting_count()) / 300.0;
  EXPECT_GT(mean, 110.0);
  EXPECT_LT(mean, 135.0);
}

}  // namespace
}  // namespace almagest::bench
