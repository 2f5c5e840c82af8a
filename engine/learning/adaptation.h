// What one adaptation job does: export, train in a child process, and take over the result as the
// gate decided.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "engine/collection/collection.h"
#include "engine/learning/feedback_store.h"
#include "engine/learning/job_queue.h"
#include "engine/learning/query_log.h"

namespace almagest {

struct AdaptationResources {
  std::filesystem::path trainer_executable;
  unsigned trainer_threads = 2;
  std::function<Result<std::shared_ptr<Collection>>(const std::string&)> find_collection;
  FeedbackStore* feedback = nullptr;
  const QueryLog* query_log = nullptr;
};

// Runs on the queue's thread. Outcomes:
//   succeeded  the gate promoted: the version is stored, and active if that was asked for. It
//              stays a candidate, with the reason, when another version became active meanwhile
//              or feedback that it learned from was deleted. A whitening (which learns from no
//              feedback) also succeeds, as a candidate, when there was too little to judge it by.
//   rejected   the gate refused: the version is stored as rejected, with the report.
//   skipped    too little feedback: no version.
//   failed     the trainer could not start, died, or left no sound result: nothing changed.
// The report gains the key "export": counts of documents, queries, judgements, users.
JobOutcome RunAdaptation(const AdaptationResources& resources, JobContext& context);

}  // namespace almagest
