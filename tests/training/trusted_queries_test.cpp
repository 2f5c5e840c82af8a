// Judgements of the admin's: measured, never learned from, and decisive.
#include "training/trusted_queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "storage/base/safetensors.h"
#include "tests/training/synthetic_job.h"
#include "training/job_folder.h"
#include "training/run_job.h"

namespace almagest::training {
namespace {

using testing::HasSubstr;

// Trusted judgements as their file's columns.
struct Trusted {
  std::vector<float> queries;
  std::vector<int32_t> own, query, document;
  std::vector<float> grade;

  void Add(std::span<const float> vector, int32_t answer, int32_t own_row = -1) {
    query.push_back(static_cast<int32_t>(own.size()));
    document.push_back(answer);
    grade.push_back(1);
    own.push_back(own_row);
    queries.insert(queries.end(), vector.begin(), vector.end());
  }
  TrustedColumns View() const { return {queries, own, query, document, grade}; }
  void Write(const std::filesystem::path& folder, int64_t dimension) const {
    const auto rows = static_cast<int64_t>(own.size());
    const auto count = static_cast<int64_t>(query.size());
    SafetensorsWriter writer;
    writer.AddFloat32("queries", {rows, dimension}, queries);
    writer.AddInt32("own", {rows}, own);
    writer.AddInt32("query", {count}, query);
    writer.AddInt32("document", {count}, document);
    writer.AddFloat32("grade", {count}, grade);
    ASSERT_TRUE(writer.Write(folder / "trusted.safetensors"));
  }
};

SyntheticJob Job(uint64_t seed, size_t documents, size_t queries) {
  SyntheticJob job = MakeSyntheticJob(seed, documents, queries);
  job.config["objective"] = "query_linear";
  job.config["options"]["steps_max"] = 75;
  job.config["gate"]["queries_min"] = 30;
  return job;
}

std::span<const float> Row(const std::vector<float>& rows, size_t row) {
  return std::span(rows).subspan(row * 24, 24);
}

Result<JobReport> RunIn(const SyntheticJob& job, const std::filesystem::path& folder) {
  job.Write(folder);
  return RunJob(folder, {}, Progress::Open(folder / "progress.jsonl")->get());
}

TEST(TrustedQueries, WhatFallsOnThemIsRefusedAndWhatStaysIsNot) {
  const TemporaryFolder folder;
  const SyntheticJob all = Job(21, 300, 420);
  SyntheticJob job = all;  // The last 60 queries are the admin's.
  for (auto* column : {&job.query, &job.document, &job.user}) column->resize(360);
  for (auto* column : {&job.grade, &job.weight}) column->resize(360);
  job.queries.resize(360 * 24);
  // Queries like those of the users.
  Trusted alike;
  for (size_t i = 360; i < 420; ++i) alike.Add(Row(all.queries, i), all.document[i]);
  alike.Add(Row(all.queries, 0), all.document[0]);  // Judged by a user, too.
  alike.Add(Row(all.queries, 1), -1);               // Its answer is gone.
  alike.Write(folder.path(), 24);
  const auto with = RunIn(job, folder.path());
  ASSERT_TRUE(with) << with.error().message;
  EXPECT_EQ(with->gate.verdict, Verdict::kPromote) << with->reason;
  const auto report = ReadJson(folder.path() / "report.json");
  EXPECT_EQ(report["trusted"]["given"], 62);
  EXPECT_EQ(report["trusted"]["queries"], 61);
  EXPECT_EQ(report["trusted"]["judgements_gone"], 1);
  EXPECT_EQ(report["trusted"]["also_in_feedback"], 1);
  EXPECT_GT(report["trusted"]["gain"]["low"], 0);
  EXPECT_GT(report["deployed"]["trusted_gain"]["low"], 0);

  // Now the admin wants what the base vectors find first, whatever users say.
  const auto space = *VectorSpace::Create(
      all.documents, all.queries, {all.dimension, Distance::kCosine, DeviceChoice::kCpu, 1});
  const LinearAdapter identity = LinearAdapter::Identity(all.dimension);
  std::vector<int32_t> rows(60);
  std::iota(rows.begin(), rows.end(), 360);
  const Ranking found = space->Search(identity, identity, rows, 1, true, {});
  Trusted planted;
  for (size_t i = 0; i < 60; ++i) planted.Add(Row(all.queries, 360 + i), found.Of(i)[0]);
  planted.Write(folder.path(), 24);
  const auto refused = RunIn(job, folder.path());
  ASSERT_TRUE(refused) << refused.error().message;
  EXPECT_EQ(refused->gate.verdict, Verdict::kReject);
  EXPECT_THAT(refused->reason, HasSubstr("On 60 trusted queries"));
  EXPECT_THAT(refused->reason, HasSubstr("must be above -0.0050"));
  for (const GateCondition& condition : refused->gate.conditions) {
    EXPECT_EQ(condition.passed, condition.name != "trusted_judgements") << condition.name;
  }
  // Neither of the two sets was trained on.
  EXPECT_EQ(ReadJson(folder.path() / "report.json")["loss_curve"], report["loss_curve"]);

  // All that the admin asked for is gone: said, and nothing is promoted unchecked.
  Trusted gone;
  gone.Add(Row(all.queries, 360), -1);
  gone.Write(folder.path(), 24);
  const auto unchecked = RunIn(job, folder.path());
  ASSERT_TRUE(unchecked) << unchecked.error().message;
  EXPECT_EQ(unchecked->gate.verdict, Verdict::kReject);
  EXPECT_THAT(unchecked->reason, HasSubstr("None of the 1 trusted queries has a relevant"));
  EXPECT_EQ(ReadJson(folder.path() / "report.json")["trusted"],
            nlohmann::json::parse(R"({"given": 1, "queries": 0, "judgements_gone": 1,
                                      "also_in_feedback": 0})"));
}

TEST(TrustedQueries, AQueryThatIsADocumentDoesNotFindItself) {
  const SyntheticJob job = MakeSyntheticJob(22, 50, 10);
  JobConfig config;
  config.dimension = job.dimension;
  config.device = DeviceChoice::kCpu;
  std::vector<float> documents = job.documents;
  std::copy_n(documents.begin(), 24, documents.begin() + 24);  // Documents 0 and 1 are twins.
  Trusted trusted;
  trusted.Add(Row(documents, 0), 1, 0);
  trusted.Add(Row(documents, 5), 6);
  const auto measured = TrustedQueries::Create(trusted.View(), documents, {}, config);
  ASSERT_TRUE(measured) << measured.error().message;
  const LinearAdapter identity = LinearAdapter::Identity(job.dimension);
  EXPECT_EQ((*measured)->Measure(identity, {})[0], 1);  // First, though 0 is as near.
  trusted.grade = {0, 1};                               // Nothing relevant: left out.
  EXPECT_EQ((*TrustedQueries::Create(trusted.View(), documents, {}, config))->size(), 1u);
}

TEST(TrustedQueries, AFileThatDoesNotFitIsRefused) {
  const SyntheticJob job = MakeSyntheticJob(23, 50, 40);
  const auto reason = [&](const Trusted& trusted, int64_t dimension = 24) -> std::string {
    const TemporaryFolder folder;
    job.Write(folder.path());
    trusted.Write(folder.path(), dimension);
    const auto opened = OpenJobFolder(folder.path());
    return opened ? "" : opened.error().message;
  };
  Trusted good;
  good.Add(Row(job.queries, 0), 3);
  EXPECT_EQ(reason(good), "");
  Trusted bad = good;
  bad.document[0] = 50;
  EXPECT_EQ(reason(bad),
            "trusted.safetensors: tensor 'document' entry 0 is 50, it must be from -1 to 49");
  bad = good;
  bad.query[0] = 1;
  EXPECT_EQ(reason(bad),
            "trusted.safetensors: tensor 'query' entry 0 is 1, it must be from 0 to 0");
  bad = good;
  bad.own[0] = -2;
  EXPECT_EQ(reason(bad),
            "trusted.safetensors: tensor 'own' entry 0 is -2, it must be from -1 to 49");
  bad = good;
  bad.queries.resize(12);
  EXPECT_THAT(reason(bad, 12), HasSubstr("tensor 'queries' has 12 columns"));
}

}  // namespace
}  // namespace almagest::training
