// Whole jobs in this process: what a folder gives back.
#include "training/run_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "storage/base/file.h"
#include "storage/base/safetensors.h"
#include "tests/training/synthetic_job.h"
#include "training/linear_adapter.h"

namespace almagest::training {
namespace {

using testing::HasSubstr;

Result<JobReport> RunIn(const std::filesystem::path& folder) {
  ALMAGEST_TRY(const auto progress, Progress::Open(folder / "progress.jsonl"));
  return RunJob(folder, {}, progress.get());
}

TEST(RunJob, LearnsALinearMapAndTheGatePromotesIt) {
  const TemporaryFolder folder;
  MakeSyntheticJob(1).Write(folder.path());
  const auto result = RunIn(folder.path());
  ASSERT_TRUE(result) << result.error().message;
  const auto report = ReadJson(folder.path() / "report.json");
  EXPECT_EQ(report["status"], "trained");
  EXPECT_EQ(report["device"], "cpu");
  EXPECT_EQ(report["gate"]["verdict"], "promote") << report.dump(1);
  EXPECT_GT(report["gain"]["low"], 0.1);
  EXPECT_GT(report["gain"]["over_whitened"]["low"], 0.1);
  EXPECT_GT(report["metrics"]["trained"]["ndcg_at_10"]["mean"],
            report["metrics"]["identity"]["ndcg_at_10"]["mean"]);
  EXPECT_EQ(report["metrics"]["active"], report["metrics"]["identity"]);
  // The carried-over query loses nothing: new queries on base documents, exact by algebra.
  const auto& matrix = report["compatibility"]["ndcg_at_10"];
  EXPECT_EQ(report["compatibility"]["versions"], (nlohmann::json{"0", "new"}));
  EXPECT_NEAR(matrix[1][0].get<double>(), matrix[1][1].get<double>(), 1e-3);
  const auto& changes = report["changes"];
  EXPECT_EQ(changes["won"].get<size_t>() + changes["lost"].get<size_t>() +
                changes["unchanged"].get<size_t>(),
            report["queries"]["held_out"].get<size_t>());
  ASSERT_EQ(changes["won_most"].size(), 20u);
  double gain = 1;
  for (const auto& change : changes["won_most"]) {
    // The job calls its queries by numbers of its own.
    EXPECT_EQ(change["event"], change["query"].get<int64_t>() + 1000);
    const double larger = change["trained"].get<double>() - change["active"].get<double>();
    EXPECT_GT(larger, 0);
    EXPECT_LE(larger, gain + 1e-9);
    gain = larger;
  }
  EXPECT_TRUE(report["geometry"]["finite"].get<bool>());
  EXPECT_GT(report["relevance"]["scale"], 0.0);
  EXPECT_LT(report["relevance"]["expected_calibration_error"], 0.05);
  const auto adapter = ReadAdapter(folder.path() / "adapter.safetensors", 24);
  ASSERT_TRUE(adapter) << adapter.error().message;
  EXPECT_EQ(adapter->kind, report["kind"]);
}

TEST(RunJob, TheSameSeedGivesTheSameBytes) {
  SyntheticJob job = MakeSyntheticJob(2, 300, 300);
  job.config["options"]["steps_max"] = 40;
  const auto adapter_of = [](const SyntheticJob& variant) {
    const TemporaryFolder folder;
    variant.Write(folder.path());
    EXPECT_TRUE(RunIn(folder.path()));
    return ReadText(folder.path() / "adapter.safetensors");
  };
  const std::string first = adapter_of(job);
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(first, adapter_of(job));
  job.config["seed"] = 8;
  EXPECT_NE(first, adapter_of(job));
}

TEST(RunJob, TheGateRejectsWhatWasLearnedFromShuffledLabels) {
  const TemporaryFolder folder;
  SyntheticJob job = MakeSyntheticJob(3);
  // A user who judged at random: each query gets another query's answer.
  std::rotate(job.document.begin(), job.document.begin() + 1, job.document.end());
  job.Write(folder.path());
  const auto result = RunIn(folder.path());
  ASSERT_TRUE(result) << result.error().message;
  const auto report = ReadJson(folder.path() / "report.json");
  EXPECT_EQ(report["gate"]["verdict"], "reject");
  EXPECT_THAT(report["reason"].get<std::string>(), HasSubstr("nDCG@10"));
}

TEST(RunJob, ComparesWithTheActiveVersionAndItsLiveDocuments) {
  const TemporaryFolder folder;
  SyntheticJob job = MakeSyntheticJob(4);
  job.Write(folder.path());
  ASSERT_TRUE(RunIn(folder.path()));
  // The version just trained becomes number 3 and active: it cannot be beaten by as much again.
  std::filesystem::create_directory(folder.path() / "versions");
  std::filesystem::rename(folder.path() / "adapter.safetensors",
                          folder.path() / "versions" / "3.safetensors");
  job.config["active_version"] = 3;
  job.config["live_versions"] = {0, 3};
  job.Write(folder.path());
  const auto result = RunIn(folder.path());
  ASSERT_TRUE(result) << result.error().message;
  const auto report = ReadJson(folder.path() / "report.json");
  EXPECT_EQ(report["compatibility"]["versions"], (nlohmann::json{"0", "3", "new"}));
  EXPECT_LT(report["gain"]["mean"], 0.05);
  EXPECT_GT(report["metrics"]["active"]["ndcg_at_10"]["mean"],
            report["metrics"]["identity"]["ndcg_at_10"]["mean"]);
  const auto& matrix = report["compatibility"]["ndcg_at_10"];
  for (size_t column = 0; column < 3; ++column) {
    EXPECT_NEAR(matrix[2][column].get<double>(), matrix[2][2].get<double>(), 1e-3) << column;
  }
}

TEST(RunJob, SkipsTooLittleDataWithAReason) {
  const TemporaryFolder folder;
  MakeSyntheticJob(5, 100, 10).Write(folder.path());
  const auto result = RunIn(folder.path());
  ASSERT_TRUE(result) << result.error().message;
  const auto report = ReadJson(folder.path() / "report.json");
  EXPECT_EQ(report["status"], "skipped");
  EXPECT_THAT(report["reason"].get<std::string>(), HasSubstr("10 distinct queries"));
  EXPECT_EQ(report["gate"]["verdict"], "insufficient_data");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "adapter.safetensors"));
}

TEST(RunJob, FewHeldOutQueriesAreInsufficientData) {
  const TemporaryFolder folder;
  SyntheticJob job = MakeSyntheticJob(6, 200, 120);
  job.config["options"]["steps_max"] = 20;
  job.Write(folder.path());
  ASSERT_TRUE(RunIn(folder.path()));
  const auto report = ReadJson(folder.path() / "report.json");
  EXPECT_EQ(report["status"], "trained");
  EXPECT_EQ(report["gate"]["verdict"], "insufficient_data");
  EXPECT_THAT(report["reason"].get<std::string>(), HasSubstr("18 held-out queries"));
}

TEST(RunJob, EveryObjectiveWritesItsKind) {
  for (const std::string objective : {"query_low_rank", "two_sided_linear", "whitening"}) {
    SCOPED_TRACE(objective);
    const TemporaryFolder folder;
    SyntheticJob job = MakeSyntheticJob(8);
    job.config["objective"] = objective;
    job.config["distance"] = objective == "query_low_rank" ? "Dot" : "Cosine";
    job.Write(folder.path());
    const auto result = RunIn(folder.path());
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->kind, objective);
    const auto adapter = ReadAdapter(folder.path() / "adapter.safetensors", 24);
    ASSERT_TRUE(adapter);
    EXPECT_EQ(adapter->maps_documents, objective != "query_low_rank");
  }
}

TEST(RunJob, DivergenceIsAFailure) {
  const TemporaryFolder folder;
  SyntheticJob job = MakeSyntheticJob(9, 200, 200);
  job.config["distance"] = "Dot";  // Nothing bounds the scores.
  job.config["objective"] = "two_sided_linear";
  job.config["options"]["learning_rate"] = 1.0;
  job.config["options"]["weight_decay"] = 100.0;
  job.config["options"]["patience"] = 100;
  job.config["options"]["steps_max"] = 100;
  job.Write(folder.path());
  const auto result = RunIn(folder.path());
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("not a finite number"));
}

struct BrokenJob {
  const char* name;
  std::function<void(SyntheticJob*)> damage;
  const char* message;
};

class MalformedFolder : public testing::TestWithParam<BrokenJob> {};

TEST_P(MalformedFolder, IsRefusedWithOneSentence) {
  const TemporaryFolder folder;
  SyntheticJob job = MakeSyntheticJob(10, 50, 50);
  GetParam().damage(&job);
  job.Write(folder.path());
  const auto result = RunIn(folder.path());
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr(GetParam().message));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "report.json"));
}

INSTANTIATE_TEST_SUITE_P(
    RunJob, MalformedFolder,
    testing::Values(
        BrokenJob{"columns", [](SyntheticJob* job) { job->config["dimension"] = 25; },
                  "tensor 'documents' has 24 columns, config.json says 25"},
        BrokenJob{"not_finite",
                  [](SyntheticJob* job) {
                    job->queries[24 * 3] = std::numeric_limits<float>::quiet_NaN();
                  },
                  "tensor 'queries' row 3 holds a value that is not finite"},
        BrokenJob{"document_index", [](SyntheticJob* job) { job->document[4] = 50; },
                  "tensor 'document' entry 4 is 50, it must be from 0 to 49"},
        BrokenJob{"query_index", [](SyntheticJob* job) { job->query[4] = -1; },
                  "tensor 'query' entry 4 is -1"},
        BrokenJob{"weight", [](SyntheticJob* job) { job->weight[2] = 0; },
                  "tensor 'weight' entry 2 must be a finite number above 0"},
        BrokenJob{"grade",
                  [](SyntheticJob* job) { job->grade[1] = std::numeric_limits<float>::infinity(); },
                  "tensor 'grade' entry 1 is not finite"},
        BrokenJob{"unknown_key", [](SyntheticJob* job) { job->config["options"]["sweeps"] = 1; },
                  "unknown key 'options.sweeps'"},
        BrokenJob{"version",
                  [](SyntheticJob* job) {
                    job->config["live_versions"] = {0, 2};
                  },
                  "2.safetensors"}),
    [](const auto& test) { return test.param.name; });

TEST(RunJob, RefusesAFolderWithMissingOrTruncatedFiles) {
  const TemporaryFolder folder;
  const SyntheticJob job = MakeSyntheticJob(11, 50, 50);
  for (const char* name : {"config.json", "vectors.safetensors", "judgements.safetensors"}) {
    SCOPED_TRACE(name);
    job.Write(folder.path());
    const std::string content = ReadText(folder.path() / name);
    ASSERT_TRUE(WriteFileAtomically(folder.path() / name, content.substr(0, content.size() / 2)));
    EXPECT_FALSE(RunIn(folder.path()));
    std::filesystem::remove(folder.path() / name);
    EXPECT_FALSE(RunIn(folder.path()));
  }
  job.Write(folder.path());
  SafetensorsWriter names;
  const std::vector<int64_t> two = {1, 2};
  names.AddInt64("event", {2}, two);
  ASSERT_TRUE(names.Write(folder.path() / "query_names.safetensors"));
  const auto report = RunIn(folder.path());
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("'event' has 2 entries, there are 50 queries"));
}

}  // namespace
}  // namespace almagest::training
