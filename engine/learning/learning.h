// The learning loop of all collections: feedback, adaptation jobs, versions, evaluation.
//
//   feedback -> job folder -> almagest-trainer (child process) -> report with the gate's verdict
//            -> version (candidate, or rejected with its reasons) -> activation -> re-embedding
//
// Thread safety: every public function may be called from any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/learning/click_evaluation.h"
#include "engine/learning/evaluation.h"
#include "engine/learning/feedback.h"
#include "engine/learning/job.h"
#include "engine/learning/learning_policy.h"
#include "storage/key_value_store.h"

namespace almagest {

class Learning {
 public:
  struct Options {
    std::filesystem::path jobs_directory;  // Job folders, one per job.
    std::filesystem::path trainer_executable;
    unsigned trainer_threads = 2;
    size_t query_log_entries_max = 100'000;  // Remembered query ids (memory only),
    size_t query_log_bytes_max = 64 << 20;   // and what they may take together.
    // Finds a collection by name while jobs run.
    std::function<Result<std::shared_ptr<Collection>>(const std::string&)> find_collection;
    // All of them, for what the loop does by itself every `keeper_seconds` (learning_keeper.h);
    // absent: nothing.
    std::function<std::vector<std::shared_ptr<Collection>>()> collections;
    unsigned keeper_seconds = 5;
    uint64_t exploration_seed = 0;  // 0: a random one.
  };
  // Jobs that were running when the process died are marked failed ("the server stopped").
  static Result<std::unique_ptr<Learning>> Open(KeyValueStore& store, Options options);
  // Stops the running trainer.
  ~Learning();

  // ---- Query log: what a search returned, so that feedback can name it ------------------------
  // Remembers base query vector and results under a fresh unguessable id (32 hex digits), which
  // http returns as `Almagest-Query-Id`. The oldest entries are forgotten; a restart forgets all.
  std::string RememberQuery(uint32_t collection_id, LoggedQuery query);

  // ---- Experiments on searches (live_experiments.h) ---------------------------------------------
  // Whether any field's policy has one: a load. Where none has, ExecuteQuery is all there is.
  bool has_experiments() const;
  // ExecuteQuery under the policy of the field of `logged` (its vector name and base vector are
  // given); how its hits were chosen is told there.
  Result<std::vector<Hit>> Search(const Collection& collection, QueryRequest& request,
                                  LoggedQuery* logged);

  // ---- Feedback (feedback.h) -----------------------------------------------------------------
  // All or nothing, one WriteBatch. kNotFound for an unknown point or query id, kOutOfRange for
  // bad weights, ranks, grades or times. Returns the ids given to the events.
  Result<std::vector<uint64_t>> AddFeedback(Collection& collection,
                                            std::vector<FeedbackInput> events,
                                            std::optional<Durability> durability = {});
  Result<FeedbackPage> ListFeedback(const Collection& collection, const FeedbackFilter& filter,
                                    uint64_t first_id, uint64_t limit) const;
  // Returns how many were deleted; versions trained on any of them are marked (`tainted`).
  Result<uint64_t> DeleteFeedback(Collection& collection, const FeedbackFilter& filter);
  Result<uint64_t> CountFeedback(const Collection& collection) const;

  // ---- Jobs (job.h) --------------------------------------------------------------------------
  // Queues an adaptation and returns its id at once. One job trains at a time; others wait.
  // kFailedPrecondition when the trainer executable is missing (named) or the field's distance
  // has no adapters (Euclid, Manhattan); kOutOfRange for bad options; for trusted judgements the
  // errors of CheckTrusted (trusted_judgements.h).
  Result<std::string> StartAdaptation(const std::string& collection_name,
                                      const AdaptationRequest& request);
  // Queues the fitting of a bridge (`request.bridge` is given). Errors: a missing trainer, and
  // those of CheckBridgeRequest (bridge_export.h).
  Result<std::string> StartBridge(const std::string& collection_name,
                                  const AdaptationRequest& request);
  std::vector<Job> Jobs() const;  // Newest first.
  Result<Job> FindJob(const std::string& job_id) const;
  Result<> CancelJob(const std::string& job_id);
  // Events of a job from `first` on; waits up to `wait` for a new one. Empty when the job is over
  // and all were read.
  Result<std::vector<JobEvent>> JobEvents(const std::string& job_id, uint64_t first,
                                          std::chrono::milliseconds wait) const;

  // ---- What it does by itself (learning_policy.h) -----------------------------------------------
  struct FieldStatus {
    LearningState state;
    uint64_t new_events = 0;             // Since a job was last started.
    std::optional<LiveComparison> live;  // Absent until two versions have answered searches.
    std::optional<ShadowSample> shadow;  // Absent until a version was tried in the shadow.
  };
  // kInvalidArgument for an unknown or sparse vector.
  Result<FieldStatus> DescribePolicy(const Collection& collection,
                                     const std::string& vector_name) const;
  // kOutOfRange for a bad value, kNotFound for a version to try that there is not.
  Result<> SetPolicy(const Collection& collection, const std::string& vector_name,
                     const LearningPolicy& policy);
  // One round, as the keeper's thread makes it.
  void Keep(int64_t now_ms);

  // ---- Evaluation (evaluation.h) -------------------------------------------------------------
  // Not const: the versions to compare are prepared for searching (Collection::PrepareVersion).
  Result<EvaluationReport> Evaluate(Collection& collection, const EvaluationRequest& request) const;
  // By what users clicked (click_evaluation.h).
  Result<ClickEvaluationReport> EvaluateByClicks(const Collection& collection,
                                                 const ClickEvaluationRequest& request) const;

  // ---- Versions (version_report.h) -----------------------------------------------------------
  // The adapter versions of one dense field as JSON text, newest first, at most `limit` of those up
  // to `newest`: status, metrics, gain, gate, compatibility matrix, parent, and whether feedback
  // they learned from was deleted.
  Result<std::string> DescribeVersions(const Collection& collection, const std::string& vector_name,
                                       VersionId newest, size_t limit) const;

  // One of them in full: the whole report, and the texts of the queries that it changed most
  // (VersionDetails). kNotFound for an unknown version.
  Result<std::string> DescribeVersion(const Collection& collection, const std::string& vector_name,
                                      VersionId version) const;

  // Removes everything of a dropped collection that is not under its key prefix (job folders, log
  // entries) and cancels its jobs.
  void ForgetCollection(uint32_t collection_id);

 private:
  struct State;
  explicit Learning(std::unique_ptr<State> state);
  void StartKeeper();
  std::unique_ptr<State> state_;
};

}  // namespace almagest
