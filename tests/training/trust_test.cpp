// What an admin relies on when nobody watches: planted feedback, many versions after one another,
// and what the adapter that is deployed has seen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "storage/base/safetensors.h"
#include "tests/training/synthetic_job.h"
#include "training/evaluation.h"
#include "training/run_job.h"
#include "training/trust_checks.h"

namespace almagest::training {
namespace {

using testing::HasSubstr;

Result<JobReport> RunIn(const SyntheticJob& job, const std::filesystem::path& folder) {
  job.Write(folder);
  ALMAGEST_TRY(const auto progress, Progress::Open(folder / "progress.jsonl"));
  return RunJob(folder, {}, progress.get());
}

SyntheticJob QuickJob(uint64_t seed, size_t documents, size_t queries) {
  SyntheticJob job = MakeSyntheticJob(seed, documents, queries);
  job.config["objective"] = "two_sided_linear";
  job.config["options"]["steps_max"] = 60;
  return job;
}

constexpr int32_t kTarget = 17;

// Users 1000 and up say of `count` honest queries that the target answers them.
SyntheticJob Poisoned(SyntheticJob job, size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  const size_t honest = job.query.size();
  for (size_t i = 0; i < count; ++i) {
    job.query.push_back(job.query[random() % honest]);
    job.document.push_back(kTarget);
    job.grade.push_back(1);
    job.weight.push_back(1);
    job.user.push_back(static_cast<int32_t>(1000 + i % 10));
  }
  return job;
}

// The share of fresh honest queries that show the target among their first ten results.
double TargetShare(const SyntheticJob& canaries, const LinearAdapter& adapter) {
  const auto space = *VectorSpace::Create(
      canaries.documents, canaries.queries,
      {canaries.dimension, training::Distance::kCosine, DeviceChoice::kCpu, 1});
  const Ranking ranking = space->Search(adapter, adapter, canaries.query, 10, true, {});
  size_t shown = 0;
  for (size_t i = 0; i < canaries.query.size(); ++i) {
    shown += static_cast<size_t>(std::ranges::count(ranking.Of(i), kTarget));
  }
  return static_cast<double>(shown) / static_cast<double>(canaries.query.size());
}

TEST(Poisoning, FivePercentPlantedForOneDocumentDoNotLiftItOrAreRefused) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE(seed);
    const SyntheticJob clean = QuickJob(seed, 400, 600);
    const TemporaryFolder folder;
    const auto honest = RunIn(clean, folder.path());
    ASSERT_TRUE(honest) << honest.error().message;
    const auto attacked = RunIn(Poisoned(clean, 30, seed), folder.path());
    ASSERT_TRUE(attacked) << attacked.error().message;
    const double before = TargetShare(clean, honest->selection->adapter);
    const double after = TargetShare(clean, attacked->selection->adapter);
    EXPECT_TRUE(attacked->gate.verdict != Verdict::kPromote || after <= before + 0.02)
        << before << " to " << after;
  }
}

TEST(Poisoning, ADocumentThatIsSuddenlyEverywhereIsFound) {
  const SyntheticJob job = MakeSyntheticJob(4, 400, 100);
  const auto space =
      *VectorSpace::Create(job.documents, job.queries,
                           {job.dimension, training::Distance::kCosine, DeviceChoice::kCpu, 1});
  const LinearAdapter identity = LinearAdapter::Identity(job.dimension);
  LinearAdapter pulled = identity;  // Every query a good step towards the target.
  for (size_t i = 0; i < 24; ++i) {
    pulled.query_bias[i] = 0.8f * job.documents[static_cast<size_t>(kTarget) * 24 + i];
  }
  const auto held_out = GroupJudgements({job.query, job.document, job.grade, job.weight, job.user});
  const NewlyShown shown = FindNewlyShown(*space, pulled, identity, identity, held_out, {});
  EXPECT_EQ(shown.document, kTarget);
  EXPECT_GT(shown.queries, 50u);
  EXPECT_EQ(shown.of_queries, held_out.size());
  // Whitening shows it just as much: then feedback did nothing.
  EXPECT_LT(FindNewlyShown(*space, pulled, identity, pulled, held_out, {}).queries, 1u);
}

TEST(Poisoning, WhatOneUserAloneTaughtIsRefused) {
  // 25 users judge at random (each query gets another's answer), one judges half of everything
  // well.
  SyntheticJob job = QuickJob(5, 400, 600);
  for (size_t i = 0; i < job.query.size(); ++i) {
    const bool main_user = i % 2 == 0;
    job.user[i] = main_user ? 0 : static_cast<int32_t>(1 + i % 25);
    if (!main_user) job.document[i] = static_cast<int32_t>((i * 37) % 400);
  }
  const TemporaryFolder folder;
  const auto report = RunIn(job, folder.path());
  ASSERT_TRUE(report) << report.error().message;
  const auto& conditions = report->gate.conditions;
  const auto found = std::ranges::find(conditions, "gain_without_top_user", &GateCondition::name);
  ASSERT_NE(found, conditions.end());
  EXPECT_FALSE(found->passed) << found->explanation;
  EXPECT_EQ(report->gate.verdict, Verdict::kReject);
}

TEST(Drift, IsNothingForTheSameMapAndSeenForAnother) {
  const SyntheticJob job = MakeSyntheticJob(9, 400, 100);
  const auto space =
      *VectorSpace::Create(job.documents, job.queries,
                           {job.dimension, training::Distance::kCosine, DeviceChoice::kCpu, 1});
  const LinearAdapter identity = LinearAdapter::Identity(job.dimension);
  const Drift none = MeasureDrift(*space, job.queries, identity, identity, identity, {});
  EXPECT_EQ(none.queries, 100u);
  EXPECT_EQ(none.documents, 400u);
  EXPECT_EQ(none.overlap_at_10, 1);
  EXPECT_EQ(none.self_retrieval, 1);
  LinearAdapter pulled = identity;  // Every query far towards one document.
  for (size_t i = 0; i < 24; ++i) pulled.query_bias[i] = 3 * job.documents[24 * 17 + i];
  const Drift far = MeasureDrift(*space, job.queries, pulled, identity, identity, {});
  EXPECT_LT(far.overlap_at_10, 0.4);
  EXPECT_LT(far.self_retrieval, 0.4);
  EXPECT_EQ(far.self_retrieval_before, 1);
  // Whitening is as good a reference as the version before.
  EXPECT_EQ(MeasureDrift(*space, job.queries, pulled, identity, pulled, {}).overlap_at_10, 1);
  // Without guard queries the documents stand in.
  const Drift alone = MeasureDrift(*space, {}, pulled, identity, identity, {});
  EXPECT_EQ(alone.queries, 0u);
  EXPECT_LT(alone.overlap_at_10, 0.4);
}

TEST(Drift, ScoresOfTwoVersionsStandAtTheSameQuantiles) {
  const SyntheticJob job = MakeSyntheticJob(11, 400, 100);
  const auto space = *VectorSpace::Create(
      job.documents, job.queries, {job.dimension, training::Distance::kDot, DeviceChoice::kCpu, 1});
  const LinearAdapter identity = LinearAdapter::Identity(job.dimension);
  LinearAdapter twice = identity;  // Every score twice as high, in the same order.
  for (float& value : twice.query_weight) value *= 2;
  const ScoreScale scale = MeasureScores(*space, job.queries, {}, identity, twice, {});
  EXPECT_TRUE(scale.guarded);
  EXPECT_EQ(scale.queries, 100u);
  ASSERT_EQ(scale.trained.size(), std::size(ScoreScale::kLevels));
  EXPECT_EQ(scale.base, scale.active);
  EXPECT_TRUE(std::ranges::is_sorted(scale.base));
  for (size_t i = 0; i < scale.base.size(); ++i) {
    EXPECT_NEAR(scale.trained[i], 2 * scale.base[i], 1e-5);
  }
  // The median is in the middle of all the first ten scores, found naively.
  std::vector<float> scores;
  for (size_t q = 0; q < 100; ++q) {
    std::vector<float> of_query;
    for (size_t n = 0; n < 400; ++n) {
      float score = 0;
      for (size_t i = 0; i < 24; ++i) score += job.queries[q * 24 + i] * job.documents[n * 24 + i];
      of_query.push_back(score);
    }
    std::ranges::sort(of_query, std::greater<>());
    scores.insert(scores.end(), of_query.begin(), of_query.begin() + 10);
  }
  std::ranges::sort(scores);
  EXPECT_NEAR(scale.base[2], scores[500], 1e-5);
  // Too few guard queries: the held-out ones stand in.
  const std::vector<int32_t> held_out = {3, 4, 5};
  const ScoreScale few =
      MeasureScores(*space, std::span(job.queries).first(19 * 24), held_out, identity, twice, {});
  EXPECT_FALSE(few.guarded);
  EXPECT_EQ(few.queries, 3u);
  EXPECT_EQ(MeasureScores(*space, {}, {}, identity, twice, {}).queries, 0u);
}

TEST(Drift, GuardQueriesOfAJobAreReadCheckedAndReported) {
  const TemporaryFolder folder;
  const SyntheticJob job = QuickJob(10, 300, 300);
  SafetensorsWriter writer;
  writer.AddFloat32("queries", {50, 24}, std::span(job.queries).first(50 * 24));
  ASSERT_TRUE(writer.Write(folder.path() / "guard.safetensors"));
  const auto report = RunIn(job, folder.path());
  ASSERT_TRUE(report) << report.error().message;
  const auto json = ReadJson(folder.path() / "report.json");
  EXPECT_EQ(json["drift"]["guard_queries"], 50);
  EXPECT_GT(json["drift"]["self_retrieval"], 0);
  EXPECT_EQ(json["scores"]["of"], "recent_searches");
  EXPECT_EQ(json["scores"]["queries"], 50);
  EXPECT_EQ(json["scores"]["trained"].size(), json["scores"]["levels"].size());
  SafetensorsWriter narrow;
  narrow.AddFloat32("queries", {50, 12}, std::span(job.queries).first(50 * 12));
  ASSERT_TRUE(narrow.Write(folder.path() / "guard.safetensors"));
  const auto refused = RunIn(job, folder.path());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("guard.safetensors: tensor 'queries' has 12"));
}

TEST(SequentialVersions, SevenStaySearchableTogether) {
  constexpr size_t kVersions = 7;
  constexpr size_t kQueriesEach = 60;
  constexpr size_t kTest = 600;
  // So many documents that no version finds nearly everything: versions would tie then.
  const SyntheticJob all = QuickJob(6, 2000, kVersions * kQueriesEach + kTest);
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path() / "versions");
  std::vector<LinearAdapter> versions = {LinearAdapter::Identity(all.dimension)};
  for (size_t version = 1; version <= kVersions; ++version) {
    SyntheticJob job = all;
    const size_t events = version * kQueriesEach;  // New feedback for each version.
    for (auto* column : {&job.query, &job.document, &job.user}) column->resize(events);
    for (auto* column : {&job.grade, &job.weight}) column->resize(events);
    job.config["active_version"] = version - 1;
    for (size_t live = 0; live < version; ++live) job.config["live_versions"].push_back(live);
    const auto report = RunIn(job, folder.path());
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->versions.size(), version + 1);
    versions.push_back(report->selection->adapter);
    std::filesystem::rename(
        folder.path() / "adapter.safetensors",
        folder.path() / "versions" / (std::to_string(version) + ".safetensors"));
  }
  // On queries that no version has seen.
  const auto test = [&](const auto& column) { return std::span(column).last(kTest); };
  const auto judged = GroupJudgements(
      {test(all.query), test(all.document), test(all.grade), test(all.weight), test(all.user)});
  const auto space =
      *VectorSpace::Create(all.documents, all.queries,
                           {all.dimension, training::Distance::kCosine, DeviceChoice::kCpu, 1});
  std::vector<const LinearAdapter*> pointers;
  for (const LinearAdapter& version : versions) pointers.push_back(&version);
  const CompatibilityMatrix matrix = MeasureCompatibility(*space, pointers, judged, [](double) {});
  ASSERT_EQ(matrix.size, kVersions + 1);
  size_t pairs = 0;
  size_t compatible = 0;
  double sum = 0;
  double sum_compatible = 0;
  for (size_t t = 0; t < matrix.size; ++t) {
    for (size_t k = 0; k <= t; ++k) sum += Mean(matrix.At(t, k));
    for (size_t k = 0; k < t; ++k) {
      const double cross = Mean(matrix.At(t, k));
      const double self = Mean(matrix.At(k, k));
      EXPECT_GE(cross, self - 0.01) << "queries of " << t << " on documents of " << k;
      ++pairs;
      if (cross <= self) continue;
      ++compatible;
      sum_compatible += cross;
    }
  }
  // AC, AA and ACA of the compatibility literature, on instance retrieval.
  const double count = static_cast<double>(pairs);
  RecordProperty("AC", std::to_string(static_cast<double>(compatible) / count));
  RecordProperty("AA", std::to_string(sum / (count + static_cast<double>(matrix.size))));
  RecordProperty("ACA", std::to_string(sum_compatible / count));
  EXPECT_GE(static_cast<double>(compatible) / count, 0.9);
}

TEST(Deployment, TheAdapterWrittenHasSeenTheHeldOutQueriesToo) {
  const TemporaryFolder folder;
  SyntheticJob job = QuickJob(7, 300, 400);
  const auto with = RunIn(job, folder.path());
  ASSERT_TRUE(with) << with.error().message;
  ASSERT_TRUE(with->deployment);
  EXPECT_TRUE(with->deployment->trained_on_all);
  EXPECT_GT(with->deployment->overlap_at_10, 0.5);
  EXPECT_LE(with->deployment->overlap_at_10, 1);
  EXPECT_EQ(ReadJson(folder.path() / "report.json")["deployed"]["trained_on_held_out_too"], true);
  const std::string deployed = ReadText(folder.path() / "adapter.safetensors");
  job.config["options"]["refit"] = false;
  const auto without = RunIn(job, folder.path());
  ASSERT_TRUE(without);
  EXPECT_FALSE(without->deployment);
  EXPECT_NE(deployed, ReadText(folder.path() / "adapter.safetensors"));
}

TEST(Fusion, AJobWithATextLegLearnsWeights) {
  const TemporaryFolder folder;
  SyntheticJob job = QuickJob(8, 300, 300);
  // A text leg that finds nothing of use: the weights must leave the dense leg alone.
  std::vector<int32_t> lists(300 * 5);
  for (size_t i = 0; i < lists.size(); ++i)
    lists[i] = i % 5 == 4 ? -1 : static_cast<int32_t>(i % 7);
  SafetensorsWriter writer;
  writer.AddInt32("documents", {300, 5}, lists);
  ASSERT_TRUE(writer.Write(folder.path() / "text_leg.safetensors"));
  const auto report = RunIn(job, folder.path());
  ASSERT_TRUE(report) << report.error().message;
  ASSERT_TRUE(report->fusion);
  EXPECT_EQ(report->fusion->queries, 300u);  // Few: every query, by folds.
  EXPECT_GT(report->fusion->weights.dense, report->fusion->weights.text);
  EXPECT_GE(report->fusion->ndcg_at_10, report->fusion->dense_ndcg_at_10 - 1e-9);
  const auto json = ReadJson(folder.path() / "report.json");
  EXPECT_GT(json["fusion"]["weights"]["dense"], json["fusion"]["weights"]["text"]);
  lists[3] = 300;
  SafetensorsWriter broken;
  broken.AddInt32("documents", {300, 5}, lists);
  ASSERT_TRUE(broken.Write(folder.path() / "text_leg.safetensors"));
  const auto refused = RunIn(job, folder.path());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message,
              HasSubstr("text_leg.safetensors: tensor 'documents' entry 3"));
}

}  // namespace
}  // namespace almagest::training
