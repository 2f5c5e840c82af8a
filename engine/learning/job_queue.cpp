#include "engine/learning/job_queue.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/learning/job_codec.h"
#include "engine/learning/job_folders.h"
#include "engine/learning/job_progress.h"
#include "storage/base/log.h"
#include "storage/key_layout.h"

namespace almagest {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

std::string Dump(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void JobContext::SetProgress(std::string phase, double fraction) {
  const std::lock_guard lock(queue_->mutex_);
  Job& job = queue_->running_->job;
  job.phase = std::move(phase);
  job.fraction = std::clamp(fraction, job.fraction, 1.0);
  const std::chrono::duration<double> elapsed = Clock::now() - queue_->running_->started;
  job.eta_seconds = EstimateRest(job.fraction, elapsed.count());
}

void JobContext::SetFeedbackEvents(uint64_t count) {
  const std::lock_guard lock(queue_->mutex_);
  queue_->running_->job.feedback_events = count;
}

void JobContext::Emit(std::string data_json) {
  const std::lock_guard lock(queue_->mutex_);
  queue_->AddEvent(*queue_->running_, std::move(data_json));
}

JobQueue::JobQueue(KeyValueStore& store, std::filesystem::path jobs_directory, JobWork work)
    : store_(store), jobs_directory_(std::move(jobs_directory)), work_(std::move(work)) {}

Result<std::unique_ptr<JobQueue>> JobQueue::Open(KeyValueStore& store,
                                                 std::filesystem::path jobs_directory,
                                                 JobWork work) {
  std::unique_ptr<JobQueue> queue(new JobQueue(store, std::move(jobs_directory), std::move(work)));
  const std::lock_guard lock(queue->mutex_);
  ALMAGEST_TRY_VOID(queue->Load());
  return queue;
}

JobQueue::~JobQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (running_ != nullptr) running_->cancel = true;
  }
  changed_.notify_all();
  if (worker_.joinable()) worker_.join();
}

Result<> JobQueue::Load() {
  std::vector<CollectionId> collections;
  const KeyRange catalog = CatalogRange();
  ALMAGEST_TRY_VOID(store_.Scan(ColumnFamily::kMeta, catalog.first, catalog.limit,
                                [&](std::string_view key, std::string_view) {
                                  if (const auto id = ParseCatalogKey(key)) {
                                    collections.push_back(*id);
                                  }
                                  return true;
                                }));
  for (const CollectionId collection : collections) {
    const KeyRange range = LearningRange(collection, LearningKind::kJob);
    ALMAGEST_TRY_VOID(store_.Scan(ColumnFamily::kLearning, range.first, range.limit,
                                  [&](std::string_view key, std::string_view value) {
                                    const auto parts = ParseLearningKey(key);
                                    auto job = DecodeJob(value);
                                    if (!parts || !job) {
                                      LogWarning(
                                          "a job record is damaged and left out of the list");
                                      return true;
                                    }
                                    auto entry = std::make_shared<Entry>();
                                    entry->job = std::move(*job);
                                    entry->number = parts->number;
                                    entry->collection_id = collection;
                                    next_number_ = std::max(next_number_, entry->number + 1);
                                    entries_.emplace(entry->number, std::move(entry));
                                    return true;
                                  }));
  }
  for (const auto& [number, entry] : entries_) {
    if (!IsFinal(entry->job.state)) {
      const bool was_running = entry->job.state == JobState::kRunning;
      End(*entry, JobState::kFailed,
          was_running ? "the server stopped while the job was running"
                      : "the server stopped before the job was started");
      StripJobFolder(jobs_directory_ / entry->job.id);
    } else {
      AddEvent(*entry, Dump({{"event", "end"}, {"state", JobStateName(entry->job.state)}}));
    }
  }
  ForgetOldJobs();
  return {};
}

Result<> JobQueue::Persist(const Entry& entry, Durability durability) {
  // A dropped collection's jobs leave no record behind.
  if (!entries_.contains(entry.number)) return {};
  WriteBatch batch;
  batch.Put(ColumnFamily::kLearning,
            LearningKey(entry.collection_id, LearningKind::kJob, entry.number),
            EncodeJob(entry.job));
  return store_.Write(batch, durability);
}

void JobQueue::AddEvent(Entry& entry, std::string data_json) {
  entry.events.push_back({++entry.last_event, std::move(data_json)});
  if (entry.events.size() > kJobEventsMax) entry.events.pop_front();
  changed_.notify_all();
}

void JobQueue::End(Entry& entry, JobState state, std::string reason) {
  Job& job = entry.job;
  job.state = state;
  job.reason = std::move(reason);
  job.ended_at_ms = NowMs();
  job.eta_seconds = 0;
  job.request.bridge = nullptr;  // Both may hold many query vectors.
  job.request.trusted = nullptr;
  if (state == JobState::kSucceeded || state == JobState::kRejected) job.fraction = 1;
  if (const auto written = Persist(entry, Durability::kSync); !written) {
    LogWarning("the end of " + job.id + " could not be stored: " + written.error().message);
  }
  Json event = {{"event", "end"}, {"state", JobStateName(state)}, {"reason", job.reason}};
  if (job.version) event["version"] = *job.version;
  AddEvent(entry, Dump(event));
}

void JobQueue::ForgetOldJobs() {
  std::set<uint64_t> with_folder;
  size_t finished = 0;
  for (auto at = entries_.rbegin(); at != entries_.rend(); ++at) {
    const bool is_final = IsFinal(at->second->job.state);
    finished += is_final ? 1 : 0;
    if (!is_final || finished <= kJobFoldersMax) {
      with_folder.insert(at->first);
    } else if (at->second->events.size() > 1) {
      at->second->events.erase(at->second->events.begin(), at->second->events.end() - 1);
    }
  }
  RemoveOtherJobFolders(jobs_directory_, with_folder);
  for (auto at = entries_.begin(); at != entries_.end() && finished > kFinishedJobsMax;) {
    if (!IsFinal(at->second->job.state)) {
      ++at;
      continue;
    }
    WriteBatch batch;
    batch.Delete(ColumnFamily::kLearning,
                 LearningKey(at->second->collection_id, LearningKind::kJob, at->first));
    if (const auto written = store_.Write(batch, Durability::kProcess); !written) return;
    at = entries_.erase(at);
    --finished;
  }
}

Result<std::string> JobQueue::Add(uint32_t collection_id, std::string collection_name,
                                  const AdaptationRequest& request) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return Fail(ErrorCode::kUnavailable, "the server is stopping");
  if (waiting_.size() >= kQueuedJobsMax) {
    return Fail(ErrorCode::kResourceExhausted, std::to_string(waiting_.size()) +
                                                   " jobs are waiting, the limit is " +
                                                   std::to_string(kQueuedJobsMax));
  }
  auto entry = std::make_shared<Entry>();
  entry->number = next_number_;
  entry->collection_id = collection_id;
  entry->job.id = JobIdOf(entry->number);
  entry->job.collection = std::move(collection_name);
  entry->job.vector_name = request.vector_name;
  entry->job.request = request;
  entry->job.phase = "queued";
  entry->job.created_at_ms = NowMs();
  entries_.emplace(entry->number, entry);
  if (auto written = Persist(*entry, Durability::kSync); !written) {
    entries_.erase(entry->number);
    return Fail(std::move(written).error());
  }
  ++next_number_;
  AddEvent(*entry, Dump({{"event", "state"}, {"state", "queued"}}));
  waiting_.push_back(entry);
  // One thread for all jobs, for as long as the queue lives: a trainer dies with its parent thread.
  if (!worker_.joinable()) worker_ = std::thread([this] { Run(); });
  changed_.notify_all();
  return entry->job.id;
}

void JobQueue::Run() {
  while (true) {
    EntryPointer entry;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      entry = waiting_.front();
      waiting_.pop_front();
      running_ = entry;
      entry->started = Clock::now();
      entry->job.state = JobState::kRunning;
      entry->job.phase = "starting";
      entry->job.started_at_ms = NowMs();
      if (const auto written = Persist(*entry, Durability::kProcess); !written) {
        LogWarning("the start of " + entry->job.id +
                   " could not be stored: " + written.error().message);
      }
      AddEvent(*entry, Dump({{"event", "state"}, {"state", "running"}}));
    }
    RunOne(entry);
  }
}

void JobQueue::RunOne(const EntryPointer& entry) {
  JobContext context;
  context.queue_ = this;
  context.job_ = entry->job;  // Only this thread changes the job of a running entry.
  context.number_ = entry->number;
  context.collection_id_ = entry->collection_id;
  context.folder_ = jobs_directory_ / entry->job.id;
  context.cancel_ = &entry->cancel;
  JobOutcome outcome;
  if (const auto made = MakeJobFolder(context.folder_); made) {
    LogInfo(entry->job.id + " starts");
    outcome = work_(context);
    StripJobFolder(context.folder_);
  } else {
    outcome.reason = made.error().message;
  }
  const std::lock_guard lock(mutex_);
  running_ = nullptr;
  entry->job.version = outcome.version;
  entry->job.report_json = std::move(outcome.report_json);
  if (outcome.state == JobState::kCancelled && stopping_) {
    outcome.state = JobState::kFailed;
    outcome.reason = "the server stopped while the job was running";
  }
  LogInfo(entry->job.id + " ends: " + std::string(JobStateName(outcome.state)) +
          (outcome.reason.empty() ? "" : ": " + outcome.reason));
  End(*entry, outcome.state, std::move(outcome.reason));
  ForgetOldJobs();
}

Result<JobQueue::EntryPointer> JobQueue::FindEntry(const std::string& id) const {
  if (const auto number = ParseJobId(id)) {
    if (const auto found = entries_.find(*number); found != entries_.end()) return found->second;
  }
  return Fail(ErrorCode::kNotFound, "there is no job '" + id.substr(0, 64) + "'");
}

std::vector<Job> JobQueue::Jobs() const {
  const std::lock_guard lock(mutex_);
  std::vector<Job> jobs;
  for (auto at = entries_.rbegin(); at != entries_.rend(); ++at) jobs.push_back(at->second->job);
  return jobs;
}

Result<Job> JobQueue::Find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  ALMAGEST_TRY(const EntryPointer entry, FindEntry(id));
  return entry->job;
}

bool JobQueue::HasOpenJob(uint32_t collection_id, const std::string& vector_name) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::any_of(entries_, [&](const auto& item) {
    const Entry& entry = *item.second;
    return entry.collection_id == collection_id && entry.job.vector_name == vector_name &&
           entry.job.request.feedback == FeedbackFilter() && !IsFinal(entry.job.state);
  });
}

Result<> JobQueue::Cancel(const std::string& id) {
  const std::lock_guard lock(mutex_);
  ALMAGEST_TRY(const EntryPointer entry, FindEntry(id));
  if (IsFinal(entry->job.state)) {
    return Fail(ErrorCode::kFailedPrecondition,
                id + " is over: " + std::string(JobStateName(entry->job.state)));
  }
  entry->cancel = true;
  if (std::erase(waiting_, entry) > 0) End(*entry, JobState::kCancelled, "cancelled on request");
  return {};
}

Result<std::vector<JobEvent>> JobQueue::Events(const std::string& id, uint64_t first,
                                               std::chrono::milliseconds wait) const {
  std::unique_lock lock(mutex_);
  ALMAGEST_TRY(const EntryPointer entry, FindEntry(id));
  first = std::max<uint64_t>(first, 1);
  changed_.wait_for(lock, wait, [&] {
    return entry->last_event >= first || IsFinal(entry->job.state) || stopping_;
  });
  std::vector<JobEvent> events;
  for (const JobEvent& event : entry->events) {
    if (event.number >= first) events.push_back(event);
  }
  return events;
}

void JobQueue::ForgetCollection(uint32_t collection_id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(waiting_,
                [&](const EntryPointer& entry) { return entry->collection_id == collection_id; });
  std::erase_if(entries_, [&](const auto& item) {
    const EntryPointer& entry = item.second;
    if (entry->collection_id != collection_id) return false;
    entry->cancel = true;
    // Ends the wait of those who follow its events; a running one ends by itself.
    if (entry != running_) entry->job.state = JobState::kCancelled;
    return true;
  });
  ForgetOldJobs();
  changed_.notify_all();
}

}  // namespace almagest
