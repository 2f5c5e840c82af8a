// What every job that trains in a child process has around it, whatever it exports and takes over.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/collection/collection.h"
#include "engine/learning/adaptation.h"
#include "engine/learning/job_queue.h"
#include "engine/learning/trainer_process.h"

namespace almagest {

// The collection that the job was asked for; kNotFound if it was dropped since, or replaced by
// another of its name.
Result<std::shared_ptr<Collection>> FindJobCollection(const AdaptationResources& resources,
                                                      const JobContext& context);

// Runs the trainer on the job's folder, tells its progress, and returns how it ended, in its own
// words where it left any. `bytes`: what it will hold at its peak, about; kResourceExhausted, with
// `remedy` as the advice, where that is beyond the memory limit.
Result<TrainerExit> TrainJob(const AdaptationResources& resources, JobContext& context,
                             uint64_t bytes, const std::string& remedy);

// The outcome of a job whose steps ended with `done`: failed with the error; cancelled if that was
// asked for in time, which is before `is_storing`.
JobOutcome EndJob(const Result<>& done, bool is_storing, const JobContext& context,
                  JobOutcome outcome);

}  // namespace almagest
