#include "engine/learning/learning.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>

#include "engine/learning/adaptation.h"
#include "engine/learning/bridge_export.h"
#include "engine/learning/bridging.h"
#include "engine/learning/feedback_intake.h"
#include "engine/learning/feedback_store.h"
#include "engine/learning/job_queue.h"
#include "engine/learning/learning_keeper.h"
#include "engine/learning/live_experiments.h"
#include "engine/learning/live_signals.h"
#include "engine/learning/query_log.h"
#include "engine/learning/trainer_options.h"
#include "engine/learning/trainer_process.h"
#include "engine/learning/trusted_judgements.h"
#include "engine/learning/version_report.h"

namespace almagest {
namespace {

int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

uint64_t RandomSeed() {
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

// What two versions answered together speaks for neither, and what a tenant's own version answered
// not for the active one.
bool SpeaksForActive(const LoggedQuery& query) {
  return !query.interleaving && !query.version_named;
}

// The rank, from 1, of the best result that the event calls good; nullopt: none of the results.
std::optional<uint32_t> BestRank(const FeedbackEvent& event, const LoggedQuery& logged) {
  std::optional<uint32_t> best;
  const auto take = [&](uint32_t rank) { best = std::min(best.value_or(rank), rank); };
  for (const Click& click : event.clicks) {
    if (click.rank) take(*click.rank);
  }
  for (const Grade& grade : event.grades) {
    const auto at = std::find(logged.results.begin(), logged.results.end(), grade.id);
    if (grade.grade <= 0 || at == logged.results.end()) continue;
    take(static_cast<uint32_t>(at - logged.results.begin()) + 1);
  }
  return best;
}

}  // namespace

struct Learning::State {
  State(KeyValueStore& store, Options given)
      : options(std::move(given)),
        log(options.query_log_entries_max, options.query_log_bytes_max),
        experiments(options.exploration_seed != 0 ? options.exploration_seed : RandomSeed()),
        feedback(store),
        policies(store) {}
  ~State() { StopKeeper(); }
  void StopKeeper() {
    {
      const std::lock_guard lock(keeper_mutex);
      stopping = true;
    }
    keeper_wakes.notify_all();
    if (keeper.joinable()) keeper.join();
  }
  void KeepUntilStopped() {
    std::unique_lock lock(keeper_mutex);
    const std::chrono::seconds pause{options.keeper_seconds};
    while (!keeper_wakes.wait_for(lock, pause, [this] { return stopping; })) {
      lock.unlock();
      KeepOnce(keeping, NowMs());
      lock.lock();
    }
  }

  const Options options;
  QueryLog log;
  LiveSignals signals;
  LiveExperiments experiments;
  FeedbackStore feedback;
  PolicyStore policies;
  AdaptationResources resources;
  std::unique_ptr<JobQueue> jobs;  // Its thread uses those above, the keeper's this, too.
  KeeperResources keeping;
  std::mutex keeper_mutex;
  std::condition_variable keeper_wakes;
  bool stopping = false;
  std::thread keeper;
};

Learning::Learning(std::unique_ptr<State> state) : state_(std::move(state)) {}
// The keeper calls our functions, so it ends before anything else does.
Learning::~Learning() { state_->StopKeeper(); }

Result<std::unique_ptr<Learning>> Learning::Open(KeyValueStore& store, Options options) {
  auto state = std::make_unique<State>(store, std::move(options));
  State* raw = state.get();
  raw->resources = {raw->options.trainer_executable, raw->options.trainer_threads,
                    raw->options.find_collection, &raw->feedback, &raw->log};
  ALMAGEST_TRY(raw->jobs,
               JobQueue::Open(store, raw->options.jobs_directory, [raw](JobContext& context) {
                 return context.job().request.bridge ? RunBridge(raw->resources, context)
                                                     : RunAdaptation(raw->resources, context);
               }));
  std::unique_ptr<Learning> learning(new Learning(std::move(state)));
  learning->StartKeeper();
  return learning;
}

void Learning::StartKeeper() {
  State& state = *state_;
  if (!state.options.collections) return;
  state.keeping = {&state.policies,
                   &state.feedback,
                   &state.signals,
                   &state.experiments,
                   state.options.collections,
                   [this](const std::string& collection, const std::string& vector_name) {
                     AdaptationRequest request;
                     request.vector_name = vector_name;
                     return StartAdaptation(collection, request);
                   },
                   [&state](CollectionId collection, const std::string& vector_name) {
                     return state.jobs->HasOpenJob(collection, vector_name);
                   }};
  state.keeper = std::thread([&state] { state.KeepUntilStopped(); });
}

void Learning::Keep(int64_t now_ms) {
  if (state_->options.collections) KeepOnce(state_->keeping, now_ms);
}

std::string Learning::RememberQuery(uint32_t collection_id, LoggedQuery query) {
  if (SpeaksForActive(query)) {
    state_->signals.AddSearch(collection_id, query.vector_name, query.version);
  }
  return state_->log.Remember(collection_id, std::move(query));
}

bool Learning::has_experiments() const { return state_->experiments.any(); }

Result<std::vector<Hit>> Learning::Search(const Collection& collection, QueryRequest& request,
                                          LoggedQuery* logged) {
  return state_->experiments.Search(collection, request, logged);
}

Result<std::vector<uint64_t>> Learning::AddFeedback(Collection& collection,
                                                    std::vector<FeedbackInput> events,
                                                    std::optional<Durability> durability) {
  ALMAGEST_TRY(const auto resolved,
               ResolveFeedback(collection, state_->log, std::move(events), NowMs()));
  ALMAGEST_TRY(auto ids,
               state_->feedback.Append(collection.id(), resolved,
                                       durability.value_or(collection.config().durability)));
  for (const FeedbackEvent& event : resolved) {
    const auto logged =
        event.query_id ? state_->log.Find(collection.id(), *event.query_id) : nullptr;
    const bool counts = logged != nullptr && SpeaksForActive(*logged);
    const auto rank = counts ? BestRank(event, *logged) : std::nullopt;
    if (!rank) continue;
    state_->signals.AddReward(collection.id(), logged->vector_name, logged->version,
                              *event.query_id, *rank);
  }
  return ids;
}

Result<FeedbackPage> Learning::ListFeedback(const Collection& collection,
                                            const FeedbackFilter& filter, uint64_t first_id,
                                            uint64_t limit) const {
  return state_->feedback.List(collection.id(), filter, first_id, limit);
}

Result<uint64_t> Learning::DeleteFeedback(Collection& collection, const FeedbackFilter& filter) {
  // A deletion that was acknowledged has to survive anything.
  return state_->feedback.Delete(collection.id(), filter, NowMs(), Durability::kSync);
}

Result<uint64_t> Learning::CountFeedback(const Collection& collection) const {
  return state_->feedback.Count(collection.id());
}

Result<std::string> Learning::StartAdaptation(const std::string& collection_name,
                                              const AdaptationRequest& request) {
  ALMAGEST_TRY(const auto collection, state_->options.find_collection(collection_name));
  ALMAGEST_TRY(const auto field, collection->FindField(request.vector_name));
  if (field.is_sparse) {
    return Fail(ErrorCode::kFailedPrecondition,
                "vector '" + request.vector_name + "' is sparse; adapters are for dense vectors");
  }
  if (field.is_multi()) {
    return Fail(
        ErrorCode::kFailedPrecondition,
        "vector '" + request.vector_name + "' is a multi-vector; adapters are for dense vectors");
  }
  if (field.dense.distance != Distance::kCosine && field.dense.distance != Distance::kDot) {
    return Fail(ErrorCode::kFailedPrecondition,
                "vector '" + request.vector_name + "' has the distance " +
                    std::string(DistanceName(field.dense.distance)) +
                    "; adapters are for Cosine and Dot");
  }
  TrainerJob job;
  job.distance = field.dense.distance;
  job.dimension = field.dense.dimension;
  ALMAGEST_TRY([[maybe_unused]] const std::string config, MakeTrainerConfig(job, request));
  if (request.trusted) {
    ALMAGEST_TRY_VOID(CheckTrusted(*collection, request.vector_name, *request.trusted));
  }
  ALMAGEST_TRY_VOID(CheckTrainerExecutable(state_->options.trainer_executable));
  ALMAGEST_TRY(auto id, state_->jobs->Add(collection->id(), collection->name(), request));
  // What a part of the feedback teaches is no reason to wait with learning from all of it.
  if (request.feedback != FeedbackFilter()) return id;
  ALMAGEST_TRY(const uint64_t last_event, state_->feedback.LastEvent(collection->id()));
  ALMAGEST_TRY_VOID(
      state_->policies.Update(collection->id(), field.id, [&](LearningState& changed) {
        changed.seen_event = last_event;
        changed.last_start_ms = NowMs();
      }));
  return id;
}

Result<std::string> Learning::StartBridge(const std::string& collection_name,
                                          const AdaptationRequest& request) {
  ALMAGEST_TRY(const auto collection, state_->options.find_collection(collection_name));
  ALMAGEST_TRY_VOID(CheckBridgeRequest(*collection, request));
  ALMAGEST_TRY_VOID(CheckTrainerExecutable(state_->options.trainer_executable));
  return state_->jobs->Add(collection->id(), collection->name(), request);
}

Result<Learning::FieldStatus> Learning::DescribePolicy(const Collection& collection,
                                                       const std::string& vector_name) const {
  ALMAGEST_TRY(const auto versions, collection.Versions(vector_name));
  ALMAGEST_TRY(const auto field, collection.FindField(vector_name));
  FieldStatus status;
  ALMAGEST_TRY(status.state, state_->policies.Read(collection.id(), field.id));
  ALMAGEST_TRY(const uint64_t last_event, state_->feedback.LastEvent(collection.id()));
  status.new_events = last_event - std::min(last_event, status.state.seen_event);
  status.live = state_->signals.Compare(collection.id(), vector_name, versions->active());
  status.shadow = state_->experiments.Shadow(collection.id(), field.id);
  return status;
}

Result<> Learning::SetPolicy(const Collection& collection, const std::string& vector_name,
                             const LearningPolicy& policy) {
  ALMAGEST_TRY_VOID(CheckPolicy(policy));
  ALMAGEST_TRY(const auto versions, collection.Versions(vector_name));  // Not of sparse ones.
  const TrialPolicy& trial = policy.experiments.trial;
  if (trial.on() && versions->Find(trial.version) == nullptr) {
    return Fail(ErrorCode::kNotFound, "vector '" + vector_name + "' has no version " +
                                          std::to_string(trial.version) + " to try");
  }
  ALMAGEST_TRY(const auto field, collection.FindField(vector_name));
  ALMAGEST_TRY_VOID(state_->policies.Update(
      collection.id(), field.id, [&](LearningState& changed) { changed.policy = policy; }));
  state_->experiments.SetPolicy(collection.id(), field.id, policy.experiments);
  return {};
}

std::vector<Job> Learning::Jobs() const { return state_->jobs->Jobs(); }

Result<Job> Learning::FindJob(const std::string& job_id) const {
  return state_->jobs->Find(job_id);
}

Result<> Learning::CancelJob(const std::string& job_id) { return state_->jobs->Cancel(job_id); }

Result<std::vector<JobEvent>> Learning::JobEvents(const std::string& job_id, uint64_t first,
                                                  std::chrono::milliseconds wait) const {
  return state_->jobs->Events(job_id, first, wait);
}

Result<EvaluationReport> Learning::Evaluate(Collection& collection,
                                            const EvaluationRequest& request) const {
  return EvaluateSearch(collection, request);
}

Result<ClickEvaluationReport> Learning::EvaluateByClicks(
    const Collection& collection, const ClickEvaluationRequest& request) const {
  return EvaluateClicks(collection, state_->feedback, request);
}

Result<std::string> Learning::DescribeVersions(const Collection& collection,
                                               const std::string& vector_name, VersionId newest,
                                               size_t limit) const {
  ALMAGEST_TRY(const auto versions, collection.Versions(vector_name));
  ALMAGEST_TRY(const auto tainted, state_->feedback.TaintedJobs(collection.id()));
  return VersionReport(*versions, tainted, newest, limit);
}

Result<std::string> Learning::DescribeVersion(const Collection& collection,
                                              const std::string& vector_name,
                                              VersionId version) const {
  ALMAGEST_TRY(const auto versions, collection.Versions(vector_name));
  const AdapterVersion* found = versions->Find(version);
  if (found == nullptr) {
    return Fail(ErrorCode::kNotFound,
                "vector '" + vector_name + "' has no version " + std::to_string(version));
  }
  ALMAGEST_TRY(const auto tainted, state_->feedback.TaintedJobs(collection.id()));
  return VersionDetails(*found, tainted, [&](uint64_t event) {
    return state_->feedback.Find(collection.id(), event);
  });
}

void Learning::ForgetCollection(uint32_t collection_id) {
  state_->jobs->ForgetCollection(collection_id);
  state_->log.ForgetCollection(collection_id);
  state_->signals.ForgetCollection(collection_id);
  state_->experiments.ForgetCollection(collection_id);
  state_->feedback.ForgetCollection(collection_id);
}

}  // namespace almagest
