// The queue with work played by lambdas.
#include "engine/learning/job_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "engine/learning/job_codec.h"
#include "storage/key_layout.h"
#include "storage/memory_store.h"
#include "tests/engine/learning/temporary_folder.h"

namespace almagest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint32_t kCollection = 3;

class JobQueueTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteBatch batch;  // The queue looks for jobs of the collections in the catalog.
    batch.Put(ColumnFamily::kMeta, CatalogKey(kCollection), "");
    ASSERT_TRUE(store_.Write(batch, Durability::kSync));
  }

  std::unique_ptr<JobQueue> Open(JobWork work) {
    auto queue = JobQueue::Open(store_, folder_.path(), std::move(work));
    EXPECT_TRUE(queue);
    return std::move(*queue);
  }
  static AdaptationRequest Request() {
    AdaptationRequest request;
    request.vector_name = "text";
    return request;
  }
  static std::string Add(JobQueue& queue) {
    return queue.Add(kCollection, "words", Request()).value();
  }
  // Waits for the job's last event and returns the job.
  static Job WaitUntilOver(JobQueue& queue, const std::string& id) {
    for (uint64_t next = 1;;) {
      const auto events = queue.Events(id, next, seconds(20)).value();
      if (events.empty()) break;
      next = events.back().number + 1;
    }
    return queue.Find(id).value();
  }
  // Work that runs until it is cancelled.
  static JobOutcome UntilCancelled(JobContext& context) {
    while (!context.cancel()) std::this_thread::sleep_for(milliseconds(1));
    return {JobState::kCancelled, "cancelled on request", {}, ""};
  }

  TemporaryFolder folder_;
  MemoryStore store_;
};

TEST_F(JobQueueTest, RunsOneAfterTheOther) {
  std::atomic<int> at_once{0};
  std::vector<std::string> order;
  const auto queue = Open([&](JobContext& context) -> JobOutcome {
    EXPECT_EQ(++at_once, 1);
    order.push_back(context.job().id);
    std::this_thread::sleep_for(milliseconds(5));
    --at_once;
    return {JobState::kSucceeded, "", VersionId{4}, R"({"gain":1})"};
  });
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(Add(*queue));
  EXPECT_THAT(ids, ElementsAre("job-1", "job-2", "job-3"));
  const Job job = WaitUntilOver(*queue, ids.back());
  EXPECT_EQ(order, ids);
  EXPECT_EQ(job.state, JobState::kSucceeded);
  EXPECT_EQ(job.version, VersionId{4});
  EXPECT_EQ(job.report_json, R"({"gain":1})");
  EXPECT_EQ(job.fraction, 1);
  EXPECT_EQ(job.collection, "words");
  EXPECT_GE(job.ended_at_ms, job.started_at_ms);
  EXPECT_GE(job.started_at_ms, job.created_at_ms);
  const auto jobs = queue->Jobs();
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs.front().id, "job-3");
}

TEST_F(JobQueueTest, TellsEventsInOrder) {
  const auto queue = Open([](JobContext& context) -> JobOutcome {
    context.SetProgress("training", 0.5);
    context.Emit(R"({"event":"step"})");
    return {JobState::kFailed, "no luck", {}, ""};
  });
  const std::string id = Add(*queue);
  WaitUntilOver(*queue, id);
  std::vector<std::string> lines;
  uint64_t number = 0;
  const auto events = queue->Events(id, 0, milliseconds(0)).value();
  for (const JobEvent& event : events) {
    EXPECT_EQ(event.number, ++number);
    lines.push_back(event.data_json);
  }
  EXPECT_THAT(lines, ElementsAre(R"({"event":"state","state":"queued"})",
                                 R"({"event":"state","state":"running"})", R"({"event":"step"})",
                                 R"({"event":"end","state":"failed","reason":"no luck"})"));
  EXPECT_EQ(queue->Events(id, 4, milliseconds(0))->size(), 1u);
  EXPECT_TRUE(queue->Events(id, 5, seconds(20))->empty());
  EXPECT_EQ(queue->Find(id)->fraction, 0.5);
}

TEST_F(JobQueueTest, KeepsTheLatestEventsOnly) {
  const auto queue = Open([](JobContext& context) -> JobOutcome {
    for (size_t i = 0; i < kJobEventsMax + 50; ++i) context.Emit("{}");
    return {JobState::kSucceeded, "", {}, ""};
  });
  const std::string id = Add(*queue);
  WaitUntilOver(*queue, id);
  const auto events = queue->Events(id, 1, milliseconds(0)).value();
  EXPECT_EQ(events.size(), kJobEventsMax);
  EXPECT_EQ(events.back().number, kJobEventsMax + 53);
}

TEST_F(JobQueueTest, CancelsRunningAndWaitingJobs) {
  const auto queue = Open(UntilCancelled);
  const std::string running = Add(*queue);
  const std::string waiting = Add(*queue);
  while (queue->Find(running)->state != JobState::kRunning) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  ASSERT_TRUE(queue->Cancel(waiting));
  EXPECT_EQ(queue->Find(waiting)->state, JobState::kCancelled);
  ASSERT_TRUE(queue->Cancel(running));
  EXPECT_EQ(WaitUntilOver(*queue, running).state, JobState::kCancelled);
  const auto again = queue->Cancel(running);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kFailedPrecondition);
  const auto unknown = queue->Cancel("job-99");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(queue->Find("job-01"));
  EXPECT_FALSE(queue->Find("../etc"));
}

TEST_F(JobQueueTest, RefusesMoreThanItsQueueHolds) {
  const auto queue = Open(UntilCancelled);
  const std::string running = Add(*queue);
  while (queue->Find(running)->state != JobState::kRunning) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  for (size_t i = 0; i < kQueuedJobsMax; ++i) Add(*queue);
  const auto refused = queue->Add(kCollection, "words", {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
}

TEST_F(JobQueueTest, AStoppingServerFailsItsJobs) {
  auto queue = Open(UntilCancelled);
  const std::string running = Add(*queue);
  const std::string waiting = Add(*queue);
  while (queue->Find(running)->state != JobState::kRunning) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  queue.reset();
  queue = Open(UntilCancelled);
  EXPECT_EQ(queue->Find(running)->state, JobState::kFailed);
  EXPECT_THAT(queue->Find(running)->reason, HasSubstr("the server stopped"));
  EXPECT_EQ(queue->Find(waiting)->state, JobState::kFailed);
  EXPECT_EQ(queue->Events(running, 1, milliseconds(0))->size(), 1u);
  EXPECT_EQ(Add(*queue), "job-3");
}

TEST_F(JobQueueTest, ACrashFailsItsJobs) {
  std::promise<std::unique_ptr<MemoryStore>> as_left;
  const auto queue = Open([&](JobContext& context) {
    as_left.set_value(store_.LoseUnsynced(1'000));
    return UntilCancelled(context);
  });
  const std::string id = Add(*queue);
  const auto crashed = as_left.get_future().get();
  const TemporaryFolder elsewhere;
  const auto reopened = JobQueue::Open(*crashed, elsewhere.path(), UntilCancelled).value();
  EXPECT_EQ(reopened->Find(id)->state, JobState::kFailed);
  EXPECT_THAT(reopened->Find(id)->reason, HasSubstr("while the job was running"));
}

TEST_F(JobQueueTest, SurvivesARestartWithEveryField) {
  {
    const auto queue = Open([](JobContext& context) -> JobOutcome {
      context.SetFeedbackEvents(77);
      return {JobState::kRejected, "worse", VersionId{9}, R"({"gate":{}})"};
    });
    WaitUntilOver(*queue, Add(*queue));
  }
  const auto queue = Open(UntilCancelled);
  const Job job = queue->Find("job-1").value();
  EXPECT_EQ(job.state, JobState::kRejected);
  EXPECT_EQ(job.reason, "worse");
  EXPECT_EQ(job.version, VersionId{9});
  EXPECT_EQ(job.report_json, R"({"gate":{}})");
  EXPECT_EQ(job.feedback_events, 77u);
  EXPECT_EQ(job.request.objective, "auto");
  EXPECT_EQ(job.vector_name, "text");
}

TEST_F(JobQueueTest, KeepsReportsButNoExportedDataAndTheLatestFoldersOnly) {
  const auto queue = Open([](JobContext& context) -> JobOutcome {
    for (const char* name : {"vectors.safetensors", "judgements.safetensors", "report.json",
                             "progress.jsonl", "adapter.safetensors"}) {
      std::ofstream(context.folder() / name) << "x";
    }
    std::filesystem::create_directory(context.folder() / "versions");
    return {JobState::kSucceeded, "", {}, ""};
  });
  std::ofstream(folder_.path() / "foreign.txt") << "stays";
  std::string last;
  for (size_t i = 0; i < kJobFoldersMax + 3; ++i) last = Add(*queue);
  WaitUntilOver(*queue, last);
  std::set<std::string> folders;
  for (const auto& item : std::filesystem::directory_iterator(folder_.path())) {
    folders.insert(item.path().filename());
  }
  EXPECT_EQ(folders.size(), kJobFoldersMax + 1);
  EXPECT_FALSE(folders.contains("job-3"));
  EXPECT_TRUE(folders.contains("job-4"));
  EXPECT_TRUE(folders.contains("foreign.txt"));
  std::set<std::string> files;
  for (const auto& item : std::filesystem::directory_iterator(folder_.path() / last)) {
    files.insert(item.path().filename());
  }
  EXPECT_EQ(files, (std::set<std::string>{"adapter.safetensors", "progress.jsonl", "report.json"}));
}

TEST_F(JobQueueTest, ADroppedCollectionLeavesNoRecord) {
  const auto queue = Open(UntilCancelled);
  const std::string running = Add(*queue);
  Add(*queue);
  while (queue->Find(running)->state != JobState::kRunning) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  queue->ForgetCollection(kCollection);
  EXPECT_TRUE(queue->Jobs().empty());
  WriteBatch batch;
  AddCollectionRemoval(kCollection, &batch);
  ASSERT_TRUE(store_.Write(batch, Durability::kSync));
  // A job of another collection runs after the cancelled one has ended.
  const std::string other = queue->Add(kCollection + 1, "other", {}).value();
  while (queue->Find(other)->state != JobState::kRunning) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  size_t records = 0;
  const KeyRange range = LearningRange(kCollection, LearningKind::kJob);
  ASSERT_TRUE(store_.Scan(ColumnFamily::kLearning, range.first, range.limit,
                          [&](std::string_view, std::string_view) {
                            ++records;
                            return true;
                          }));
  EXPECT_EQ(records, 0u);
}

}  // namespace
}  // namespace almagest
