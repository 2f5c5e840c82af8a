#include "engine/learning/job_frame.h"

#include <chrono>

#include "engine/learning/job_progress.h"
#include "storage/base/memory_limit.h"

namespace almagest {

Result<std::shared_ptr<Collection>> FindJobCollection(const AdaptationResources& resources,
                                                      const JobContext& context) {
  ALMAGEST_TRY(auto collection, resources.find_collection(context.job().collection));
  if (collection->id() == context.collection_id()) return collection;
  return Fail(ErrorCode::kNotFound, "the collection was replaced by another of its name");
}

Result<TrainerExit> TrainJob(const AdaptationResources& resources, JobContext& context,
                             uint64_t bytes, const std::string& remedy) {
  TrainerOptions options;
  options.executable = resources.trainer_executable;
  options.job_folder = context.folder();
  options.threads = resources.trainer_threads;
  if (const auto admitted = AdmitMemory(bytes); !admitted) {
    return Fail(ErrorCode::kResourceExhausted,
                "the trainer was not started: " + admitted.error().message + "; " + remedy);
  }
  JobProgress progress;
  const auto started = std::chrono::steady_clock::now();
  context.SetProgress("starting trainer", kExportShare);
  ALMAGEST_TRY(
      TrainerExit exit, RunTrainer(options, context.cancel(), [&](const std::string& line) {
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
        if (auto event = progress.Apply(line, elapsed.count())) {
          context.SetProgress(progress.phase(), progress.fraction());
          context.Emit(std::move(*event));
        }
      }));
  // Its own words are better than the status they led to; a signal leaves it none.
  if (!exit.succeeded && !progress.failure().empty()) exit.reason = progress.failure();
  return exit;
}

JobOutcome EndJob(const Result<>& done, bool is_storing, const JobContext& context,
                  JobOutcome outcome) {
  if (!done) {
    outcome.state = JobState::kFailed;
    outcome.reason = done.error().message;
  }
  // After the last step a cancellation comes too late.
  if (context.cancel() && !is_storing) {
    outcome.state = JobState::kCancelled;
    outcome.reason = "cancelled on request";
  }
  return outcome;
}

}  // namespace almagest
