#include "engine/learning/learning.h"

#include <chrono>

#include "engine/learning/adaptation.h"
#include "engine/learning/feedback_intake.h"
#include "engine/learning/feedback_store.h"
#include "engine/learning/job_queue.h"
#include "engine/learning/query_log.h"
#include "engine/learning/trainer_options.h"
#include "engine/learning/trainer_process.h"
#include "engine/learning/version_report.h"

namespace almagest {
namespace {

int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

struct Learning::State {
  State(KeyValueStore& store, Options given)
      : options(std::move(given)), log(options.query_log_entries_max, options.query_log_bytes_max),
        feedback(store) {}

  const Options options;
  QueryLog log;
  FeedbackStore feedback;
  AdaptationResources resources;
  std::unique_ptr<JobQueue> jobs;  // Last: its thread uses the others.
};

Learning::Learning(std::unique_ptr<State> state) : state_(std::move(state)) {}
Learning::~Learning() = default;

Result<std::unique_ptr<Learning>> Learning::Open(KeyValueStore& store, Options options) {
  auto state = std::make_unique<State>(store, std::move(options));
  State* raw = state.get();
  raw->resources = {raw->options.trainer_executable, raw->options.trainer_threads,
                    raw->options.find_collection, &raw->feedback};
  ALMAGEST_TRY(raw->jobs,
               JobQueue::Open(store, raw->options.jobs_directory, [raw](JobContext& context) {
                 return RunAdaptation(raw->resources, context);
               }));
  return std::unique_ptr<Learning>(new Learning(std::move(state)));
}

std::string Learning::RememberQuery(uint32_t collection_id, LoggedQuery query) {
  return state_->log.Remember(collection_id, std::move(query));
}

Result<std::vector<uint64_t>> Learning::AddFeedback(Collection& collection,
                                                    std::vector<FeedbackInput> events,
                                                    std::optional<Durability> durability) {
  ALMAGEST_TRY(const auto resolved,
               ResolveFeedback(collection, state_->log, std::move(events), NowMs()));
  return state_->feedback.Append(collection.id(), resolved,
                                 durability.value_or(collection.config().durability));
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
  ALMAGEST_TRY_VOID(CheckTrainerExecutable(state_->options.trainer_executable));
  return state_->jobs->Add(collection->id(), collection->name(), request);
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

Result<std::string> Learning::DescribeVersions(const Collection& collection,
                                               const std::string& vector_name) const {
  ALMAGEST_TRY(const auto versions, collection.Versions(vector_name));
  ALMAGEST_TRY(const auto tainted, state_->feedback.TaintedJobs(collection.id()));
  return VersionReport(*versions, tainted);
}

void Learning::ForgetCollection(uint32_t collection_id) {
  state_->jobs->ForgetCollection(collection_id);
  state_->log.ForgetCollection(collection_id);
  state_->feedback.ForgetCollection(collection_id);
}

}  // namespace almagest
