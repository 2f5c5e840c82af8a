// Whole jobs: exported from a real collection, trained by a shell script, taken over or not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/learning/trusted_judgements.h"
#include "storage/base/file.h"
#include "storage/base/memory_limit.h"
#include "storage/base/safetensors.h"
#include "tests/engine/learning/learning_fixture.h"
#include "training/job_config.h"

namespace almagest {
namespace {

using testing::HasSubstr;

class AdaptationTest : public LearningFixture {
 protected:
  void ExpectNothingChanged() {
    EXPECT_EQ(active(), 0u);
    EXPECT_EQ(version_count(), 1u);
  }
  void Touch(const std::string& name) { std::ofstream(folder_.path() / name) << "x"; }
  std::string WaitFor(const std::string& name) {
    return "while [ ! -e " + (folder_.path() / name).string() + " ]; do sleep 0.02; done\n";
  }
  void WaitUntilTraining(const std::string& id) {
    while (learning_->FindJob(id)->phase != "training") {
      ASSERT_FALSE(IsFinal(learning_->FindJob(id)->state)) << learning_->FindJob(id)->reason;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
};

TEST_F(AdaptationTest, APromotedVersionBecomesActive) {
  AddFeedback(10);
  const Job job = RunJob(Request());
  ASSERT_EQ(job.state, JobState::kSucceeded) << job.reason;
  ASSERT_EQ(job.version, VersionId{1});
  EXPECT_EQ(job.feedback_events, 10u);
  EXPECT_EQ(active(), 1u);
  const AdapterVersion* version = FindVersion(1);
  EXPECT_EQ(version->kind, "two_sided_linear");
  EXPECT_EQ(version->job_id, job.id);
  EXPECT_EQ(version->parent, 0u);
  EXPECT_EQ((*collection_->Versions("text").value()->Maps(1))->document->weights()[0], 2);
  const auto report = nlohmann::json::parse(job.report_json);
  EXPECT_EQ(report["export"]["documents"], 40);
  EXPECT_EQ(report["export"]["queries"], 10);
  EXPECT_EQ(report["gate"]["verdict"], "promote");
  EXPECT_THAT(Describe(1), HasSubstr(R"("status":"active")"));
  EXPECT_THAT(Describe(1), HasSubstr(R"("tainted":false)"));
}

TEST_F(AdaptationTest, ExportsWhatTheTrainerReads) {
  const std::string kept = (folder_.path() / "kept").string();
  OpenLearning("cp -r $2 " + kept + "\n" + Leaves("promote"));
  AddFeedback(3, "ann");
  std::vector<FeedbackInput> more = {Graded(500, 7, 0), Graded(501, 39, 2.5)};
  ASSERT_TRUE(learning_->AddFeedback(*collection_, more));
  DeletePoint(7);
  DeletePoint(1);
  const Job job = RunJob(Request());
  ASSERT_EQ(job.state, JobState::kSucceeded) << job.reason;
  EXPECT_EQ(job.feedback_events, 3u);  // One lost point 1, one point 7.

  const auto config = training::ParseJobConfig(ReadFile(kept + "/config.json").value());
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->job_id, job.id);
  EXPECT_EQ(config->vector, "text");
  EXPECT_EQ(config->dimension, kDimension);
  const auto vectors = Safetensors::Open(kept + "/vectors.safetensors");
  ASSERT_TRUE(vectors) << vectors.error().message;
  const auto documents = vectors->Float32("documents", std::vector<int64_t>{38, 4});
  const auto queries = vectors->Float32("queries", std::vector<int64_t>{3, 4});
  ASSERT_TRUE(documents && queries);
  std::vector<uint64_t> ids;  // Slot order is the order of insertion.
  for (uint64_t id = 0; id < 40; ++id) {
    if (id != 1 && id != 7) ids.push_back(id);
  }
  for (size_t row = 0; row < ids.size(); ++row) {
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_NEAR((*documents)[row * 4 + i], VectorOf(ids[row])[i], 1e-6) << ids[row];
    }
  }
  // Queries in order of appearance: 500, 502 (its event names point 2), 501 (the later event).
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR((*queries)[4 + i], VectorOf(502)[i], 1e-6);
    EXPECT_NEAR((*queries)[8 + i], VectorOf(501)[i], 1e-6);
  }
  const auto judgements = Safetensors::Open(kept + "/judgements.safetensors").value();
  const auto column = [&](const char* name) {
    const auto values = judgements.Find(name)->as_int32();
    return std::vector<int32_t>(values.begin(), values.end());
  };
  EXPECT_EQ(column("query"), (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(column("document"), (std::vector<int32_t>{0, 1, 37}));
  EXPECT_EQ(column("user"), (std::vector<int32_t>{0, 0, -1}));
  EXPECT_EQ(judgements.Find("grade")->as_float32()[2], 2.5f);
}

TEST_F(AdaptationTest, TheNextJobGetsTheLiveVersions) {
  AddFeedback(10);
  ASSERT_EQ(RunJob(Request()).state, JobState::kSucceeded);
  const std::string kept = (folder_.path() / "kept").string();
  OpenLearning("cp -r $2 " + kept + "\n" + Leaves("reject"));
  const Job job = RunJob(Request());
  ASSERT_EQ(job.state, JobState::kRejected) << job.reason;
  EXPECT_EQ(FindVersion(*job.version)->parent, 1u);
  const auto config = training::ParseJobConfig(ReadFile(kept + "/config.json").value());
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->active_version, 1);
  const auto version = Safetensors::Open(kept + "/versions/1.safetensors");
  ASSERT_TRUE(version) << version.error().message;
  const auto weights = version->Float32("document_weight", std::vector<int64_t>{4, 4});
  ASSERT_TRUE(weights);
  EXPECT_EQ((*weights)[0], 2);
  EXPECT_EQ((*weights)[5], 1);
}

TEST_F(AdaptationTest, ARejectedVersionIsKeptButNotUsed) {
  OpenLearning(Leaves("reject"));
  AddFeedback(10);
  const Job job = RunJob(Request());
  EXPECT_EQ(job.state, JobState::kRejected);
  EXPECT_EQ(job.reason, "as the test says");
  EXPECT_EQ(active(), 0u);
  ASSERT_TRUE(job.version);
  EXPECT_EQ(FindVersion(*job.version)->status, VersionStatus::kRejected);
  EXPECT_THAT(Describe(*job.version), HasSubstr("as the test says"));
}

TEST_F(AdaptationTest, AVersionStaysACandidateUnlessActivationWasAsked) {
  AddFeedback(10);
  AdaptationRequest request = Request();
  request.activate = false;
  const Job job = RunJob(request);
  EXPECT_EQ(job.state, JobState::kSucceeded);
  EXPECT_EQ(active(), 0u);
  EXPECT_EQ(FindVersion(*job.version)->status, VersionStatus::kCandidate);
}

TEST_F(AdaptationTest, SkipsWithoutFeedbackAndStartsNoTrainer) {
  OpenLearning("touch " + (folder_.path() / "started").string() + "; exit 1");
  std::vector<FeedbackInput> negative = {Graded(500, 3, 0)};
  ASSERT_TRUE(learning_->AddFeedback(*collection_, negative));
  const Job job = RunJob(Request());
  EXPECT_EQ(job.state, JobState::kSkipped);
  EXPECT_THAT(job.reason, HasSubstr("no feedback with a relevant point"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "started"));
  ExpectNothingChanged();
}

TEST_F(AdaptationTest, TooLittleDataSkipsTrainingButKeepsAWhitening) {
  OpenLearning(Leaves("insufficient_data"));
  AddFeedback(5);
  const Job skipped = RunJob(Request());
  EXPECT_EQ(skipped.state, JobState::kSkipped);
  EXPECT_EQ(skipped.version, std::nullopt);
  ExpectNothingChanged();
  const Job whitening = RunJob(Request("whitening"));
  EXPECT_EQ(whitening.state, JobState::kSucceeded);
  ASSERT_TRUE(whitening.version);
  EXPECT_EQ(FindVersion(*whitening.version)->status, VersionStatus::kCandidate);
  EXPECT_EQ(active(), 0u);
  OpenLearning(Leaves("insufficient_data", "skipped"));
  EXPECT_EQ(RunJob(Request("whitening")).state, JobState::kSkipped);
}

TEST_F(AdaptationTest, AWhiteningNeedsNoFeedback) {
  const Job job = RunJob(Request("whitening"));
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.reason;
  EXPECT_EQ(job.feedback_events, 0u);
  EXPECT_EQ(active(), 1u);
}

TEST_F(AdaptationTest, ABrokenTrainerFailsItsJobAndChangesNothing) {
  AddFeedback(10);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"kill -9 $$", "killed by signal 9"},
      {"kill -ABRT $$", "killed by signal 6"},
      {"echo 'cannot allocate' >&2; exit 1", "status 1: cannot allocate"},
      {R"(echo '{"event":"failed","reason":"LibTorch: no"}' > $2/progress.jsonl; exit 1)",
       "LibTorch: no"},
      {"exit 0", "report.json is missing"},
      {"head -c 3000 /dev/urandom > $2/report.json", "no readable report"},
      {"echo '[]' > $2/report.json", "no readable report"},
      {R"(echo '{"status":"trained"}' > $2/report.json)", "no readable report"},
      {Leaves("perhaps"), "gate.verdict is 'perhaps'"},
      {Leaves("promote", "odd"), "status is 'odd'"},
      {Leaves("promote") + "rm $2/adapter.safetensors", "no adapter.safetensors"},
      {Leaves("promote") + "head -c 3000 /dev/urandom > $2/adapter.safetensors", "was refused"},
      {Leaves("promote") + "truncate -s -64 $2/adapter.safetensors", "was refused"},
  };
  for (const auto& [script, reason] : cases) {
    SCOPED_TRACE(script);
    OpenLearning(script);
    const Job job = RunJob(Request());
    EXPECT_EQ(job.state, JobState::kFailed);
    EXPECT_THAT(job.reason, HasSubstr(reason));
    EXPECT_EQ(job.version, std::nullopt);
    ExpectNothingChanged();
  }
}

TEST_F(AdaptationTest, StartsNoTrainerBeyondTheMemoryLimit) {
  AddFeedback(10);
  OpenLearning(Leaves("promote"));
  SetMemoryLimit(MemoryUsed() + (64 << 20));
  const Job refused = RunJob(Request());
  SetMemoryLimit(0);
  EXPECT_EQ(refused.state, JobState::kFailed);
  EXPECT_THAT(refused.reason, HasSubstr("the trainer was not started: memory_limit is "));
  ExpectNothingChanged();
  EXPECT_EQ(RunJob(Request()).state, JobState::kSucceeded);
}

TEST_F(AdaptationTest, CancelsATraining) {
  OpenLearning(Leaves("promote") + "exec sleep 1000");
  AddFeedback(10);
  const std::string id = StartJob(Request());
  WaitUntilTraining(id);
  ASSERT_TRUE(learning_->CancelJob(id));
  EXPECT_EQ(WaitUntilOver(id).state, JobState::kCancelled);
  ExpectNothingChanged();
}

TEST_F(AdaptationTest, ARestartFailsTheRunningJob) {
  OpenLearning(Leaves("promote") + "exec sleep 1000");
  AddFeedback(10);
  const std::string id = StartJob(Request());
  WaitUntilTraining(id);
  OpenLearning(Leaves("promote"));
  EXPECT_EQ(learning_->FindJob(id)->state, JobState::kFailed);
  EXPECT_THAT(learning_->FindJob(id)->reason, HasSubstr("the server stopped"));
  ExpectNothingChanged();
}

TEST_F(AdaptationTest, AnotherActivationMeanwhileLeavesACandidate) {
  AddFeedback(10);
  AdaptationRequest quiet = Request();
  quiet.activate = false;
  ASSERT_EQ(RunJob(quiet).version, VersionId{1});
  OpenLearning(Leaves("promote") + WaitFor("go"));
  const std::string id = StartJob(Request());
  WaitUntilTraining(id);
  ASSERT_TRUE(collection_->ActivateVersion("text", 1));
  Touch("go");
  const Job job = WaitUntilOver(id);
  EXPECT_EQ(job.state, JobState::kSucceeded);
  EXPECT_EQ(job.version, VersionId{2});
  EXPECT_THAT(job.reason, HasSubstr("version 1 became active meanwhile"));
  EXPECT_EQ(active(), 1u);
}

TEST_F(AdaptationTest, DeletedFeedbackMarksVersionsAndStopsActivation) {
  AddFeedback(10, "ann");
  AddFeedback(10, "bob");
  ASSERT_EQ(RunJob(Request()).version, VersionId{1});
  FeedbackFilter of_bob;
  of_bob.user = "bob";
  OpenLearning(Leaves("promote") + WaitFor("go"));
  const std::string id = StartJob(Request());
  WaitUntilTraining(id);
  EXPECT_EQ(*learning_->DeleteFeedback(*collection_, of_bob), 10u);
  Touch("go");
  const Job job = WaitUntilOver(id);
  EXPECT_THAT(job.reason, HasSubstr("deleted meanwhile"));
  EXPECT_EQ(active(), 1u);
  EXPECT_THAT(Describe(1), HasSubstr(R"("tainted":true)"));
  // What it changed is told by feedback that is still there: event 15 was Bob's.
  const auto details = learning_->DescribeVersion(*collection_, "text", 1);
  ASSERT_TRUE(details) << details.error().message;
  EXPECT_THAT(*details, HasSubstr(R"("event":1,"active":0.25,"trained":0.5,"text":null,)"
                                  R"("query_id":null,"relevant":[)"));
  EXPECT_THAT(*details, HasSubstr(R"("event":15,"active":0.5,"trained":0.75,"text":null,)"
                                  R"("query_id":null,"relevant":null})"));
  EXPECT_EQ(learning_->DescribeVersion(*collection_, "text", 9).error().code, ErrorCode::kNotFound);
  EXPECT_THAT(Describe(2), HasSubstr(R"("tainted":true)"));
  // Trained without the deleted events: clean.
  ASSERT_EQ(RunJob(Request()).version, VersionId{3});
  EXPECT_THAT(Describe(3), HasSubstr(R"("tainted":false)"));
  EXPECT_EQ(active(), 3u);
}

TEST_F(AdaptationTest, TrustedJudgementsAreExportedApart) {
  const std::string kept = (folder_.path() / "kept").string();
  OpenLearning("cp -r $2 " + kept + "\n" + Leaves("promote"));
  AddFeedback(3);
  auto trusted = std::make_shared<TrustedJudgements>();
  trusted->queries.push_back({"", DenseVector{0, 3, 0, 0}, {{PointId{uint64_t{9}}, 2}}});
  trusted->queries.push_back(
      {"", PointId{uint64_t{4}}, {{PointId{uint64_t{6}}, 1}, {PointId{uint64_t{7}}, 0}}});
  AdaptationRequest request = Request();
  request.trusted = trusted;
  const Job job = RunJob(request);
  ASSERT_EQ(job.state, JobState::kSucceeded) << job.reason;
  EXPECT_EQ(job.request.trusted, nullptr);  // Not kept in memory.
  const auto report = nlohmann::json::parse(job.report_json);
  EXPECT_EQ(report["export"]["trusted_queries"], 2);
  EXPECT_EQ(report["export"]["queries"], 3);
  const auto file = Safetensors::Open(kept + "/trusted.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  const auto queries = file->Float32("queries", std::vector<int64_t>{2, 4});
  ASSERT_TRUE(queries);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ((*queries)[i], i == 1 ? 1 : 0);  // Of length 1, as the field stores its vectors.
    EXPECT_NEAR((*queries)[4 + i], VectorOf(4)[i], 1e-6);
  }
  const auto column = [&](const char* name) {
    const auto values = file->Find(name)->as_int32();
    return std::vector<int32_t>(values.begin(), values.end());
  };
  EXPECT_EQ(column("own"), (std::vector<int32_t>{-1, 4}));
  EXPECT_EQ(column("query"), (std::vector<int32_t>{0, 1, 1}));
  EXPECT_EQ(column("document"), (std::vector<int32_t>{9, 6, 7}));
  EXPECT_EQ(file->Find("grade")->as_float32()[0], 2);
}

TEST_F(AdaptationTest, TrustedJudgementsOfDeletedPointsAreExportedAsMissing) {
  const auto point = [](uint64_t id) { return PointId{id}; };
  TrustedJudgements trusted;
  trusted.queries.push_back({"", VectorOf(5), {{point(9), 2}, {point(30), 1}}});
  trusted.queries.push_back({"", point(31), {{point(6), 1}}});
  trusted.queries.push_back({"", VectorOf(6), {{point(30), 1}, {point(8), 0}}});
  DeletePoint(30);
  DeletePoint(31);
  const auto exported = WriteTrusted(
      *collection_, "text", trusted,
      [&](const PointId& id) -> std::optional<int32_t> {
        if (collection_->FindSlot(id) == kNoSlot) return std::nullopt;
        return static_cast<int32_t>(std::get<uint64_t>(id));
      },
      folder_.path() / "trusted.safetensors");
  ASSERT_TRUE(exported) << exported.error().message;
  EXPECT_EQ(*exported, 1u);  // The others have no relevant point left.
  const auto file = Safetensors::Open(folder_.path() / "trusted.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  const auto documents = file->Find("document")->as_int32();
  EXPECT_EQ(std::vector<int32_t>(documents.begin(), documents.end()),
            (std::vector<int32_t>{9, -1, -1, -1, 8}));
  EXPECT_EQ(file->Find("own")->as_int32()[1], -1);
}

TEST_F(AdaptationTest, RefusesTrustedJudgementsThatCannotBeMeasured) {
  const auto refusal = [&](TrustedQuery query) {
    auto trusted = std::make_shared<TrustedJudgements>();
    trusted->queries.push_back({"", PointId{uint64_t{4}}, {{PointId{uint64_t{6}}, 1}}});
    trusted->queries.push_back(std::move(query));
    AdaptationRequest request = Request();
    request.trusted = trusted;
    const auto started = learning_->StartAdaptation("words", request);
    return started ? "" : started.error().message;
  };
  const auto point = [](uint64_t id) { return PointId{id}; };
  const DenseVector vector = VectorOf(5);
  EXPECT_EQ(refusal({"", vector, {{point(41), 1}}}),
            "trusted.queries[1].judgements[0].id: there is no point 41");
  EXPECT_EQ(refusal({"", point(77), {{point(1), 1}}}),
            "trusted.queries[1].point: there is no point 77");
  EXPECT_EQ(refusal({"", DenseVector{1, 0}, {{point(1), 1}}}),
            "trusted.queries[1] has a vector of 2 values, the dimension of 'text' is 4");
  EXPECT_EQ(refusal({"", vector, {{point(1), 0}}}),
            "trusted.queries[1].judgements names no relevant point, at least one grade must be "
            "above 0");
  EXPECT_THAT(refusal({"", vector, {{point(1), 11}}}), HasSubstr("judgements[0].grade is 11"));
  EXPECT_THAT(refusal({"", vector, {}}), HasSubstr("judgements has 0 entries"));
  EXPECT_THAT(refusal({"", point(1), {{point(1), 1}}}), HasSubstr("the point that the query is"));
  EXPECT_TRUE(learning_->Jobs().empty());
}

TEST_F(AdaptationTest, RefusesWhatCannotBeTrained) {
  const auto code = [&](const std::string& collection, AdaptationRequest request) {
    const auto started = learning_->StartAdaptation(collection, request);
    EXPECT_FALSE(started);
    return started.error().code;
  };
  EXPECT_EQ(code("absent", Request()), ErrorCode::kNotFound);
  AdaptationRequest request = Request();
  request.vector_name = "shape";
  EXPECT_EQ(code("words", request), ErrorCode::kFailedPrecondition);
  request.vector_name = "terms";
  EXPECT_EQ(code("words", request), ErrorCode::kFailedPrecondition);
  request.vector_name = "absent";
  EXPECT_EQ(code("words", request), ErrorCode::kInvalidArgument);
  request = Request();
  request.options_json = R"({"ranks": 3})";
  EXPECT_EQ(code("words", request), ErrorCode::kOutOfRange);
  EXPECT_EQ(code("words", Request("magic")), ErrorCode::kOutOfRange);
  std::filesystem::remove(folder_.path() / "trainer");
  EXPECT_EQ(code("words", Request()), ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(learning_->Jobs().empty());
}

}  // namespace
}  // namespace almagest
