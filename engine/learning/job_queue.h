// The queue of adaptation jobs: one runs at a time, the rest wait. States survive a restart.
// What a job does is given as a function (adaptation.h), so that this file knows nothing of
// training.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/learning/job.h"
#include "storage/key_value_store.h"

namespace almagest {

inline constexpr size_t kQueuedJobsMax = 100;
inline constexpr size_t kJobEventsMax = 2'000;   // Kept per job; the oldest are dropped.
inline constexpr size_t kFinishedJobsMax = 200;  // Remembered with their reports.
inline constexpr size_t kJobFoldersMax = 20;     // Of finished jobs.

// How a job ended. kCancelled when it noticed that it was cancelled.
struct JobOutcome {
  JobState state = JobState::kFailed;
  std::string reason;
  std::optional<VersionId> version;
  std::string report_json;
};

class JobQueue;

// A running job's way to report. Used by the job's thread only.
class JobContext {
 public:
  const Job& job() const { return job_; }  // As it was when it started.
  uint64_t number() const { return number_; }
  uint32_t collection_id() const { return collection_id_; }
  const std::filesystem::path& folder() const { return folder_; }  // Exists and is empty.
  const std::atomic<bool>& cancel() const { return *cancel_; }

  // `fraction` of the whole job. The estimate of the time left is derived from it.
  void SetProgress(std::string phase, double fraction);
  void SetFeedbackEvents(uint64_t count);
  // Adds a line for those who watch: a JSON object with an "event".
  void Emit(std::string data_json);

 private:
  friend class JobQueue;
  JobQueue* queue_ = nullptr;
  Job job_;
  uint64_t number_ = 0;
  uint32_t collection_id_ = 0;
  std::filesystem::path folder_;
  const std::atomic<bool>* cancel_ = nullptr;
};

using JobWork = std::function<JobOutcome(JobContext&)>;

// Thread-safe.
class JobQueue {
 public:
  // Reads the jobs of all collections. Those that had not ended are marked failed: what they did
  // is lost. Nothing is run before the first Add.
  static Result<std::unique_ptr<JobQueue>> Open(KeyValueStore& store,
                                                std::filesystem::path jobs_directory, JobWork work);
  // Cancels the running job and waits for it; it is marked failed.
  ~JobQueue();

  // kResourceExhausted when kQueuedJobsMax jobs wait already.
  Result<std::string> Add(uint32_t collection_id, std::string collection_name,
                          const AdaptationRequest& request);
  std::vector<Job> Jobs() const;  // Newest first.
  Result<Job> Find(const std::string& id) const;
  // Whether a job of that vector on all of its feedback waits or runs; jobs on a part do not count.
  bool HasOpenJob(uint32_t collection_id, const std::string& vector_name) const;
  // A waiting job ends at once, a running one soon. kFailedPrecondition when it is over.
  Result<> Cancel(const std::string& id);
  // learning.h: JobEvents.
  Result<std::vector<JobEvent>> Events(const std::string& id, uint64_t first,
                                       std::chrono::milliseconds wait) const;
  // Cancels and forgets the jobs of a collection; nothing more is written under its keys.
  void ForgetCollection(uint32_t collection_id);

 private:
  friend class JobContext;
  struct Entry {
    Job job;
    uint64_t number = 0;
    uint32_t collection_id = 0;
    std::atomic<bool> cancel{false};
    std::chrono::steady_clock::time_point started;
    std::deque<JobEvent> events;
    uint64_t last_event = 0;
  };
  using EntryPointer = std::shared_ptr<Entry>;

  JobQueue(KeyValueStore& store, std::filesystem::path jobs_directory, JobWork work);
  Result<> Load();
  void Run();
  void RunOne(const EntryPointer& entry);
  // The following need mutex_.
  Result<EntryPointer> FindEntry(const std::string& id) const;
  void AddEvent(Entry& entry, std::string data_json);
  void End(Entry& entry, JobState state, std::string reason);
  Result<> Persist(const Entry& entry, Durability durability);
  void ForgetOldJobs();

  KeyValueStore& store_;
  const std::filesystem::path jobs_directory_;
  const JobWork work_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<uint64_t, EntryPointer> entries_;
  std::deque<EntryPointer> waiting_;
  EntryPointer running_;
  uint64_t next_number_ = 1;
  bool stopping_ = false;
  std::thread worker_;
};

}  // namespace almagest
