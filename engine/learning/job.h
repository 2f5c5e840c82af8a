// Adaptation jobs as the REST API shows them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/learning/feedback.h"
#include "engine/types.h"

namespace almagest {

struct BridgeRequest;      // bridge_request.h
struct TrustedJudgements;  // trusted_judgements.h

struct AdaptationRequest {
  std::string vector_name;
  std::string objective = "auto";   // docs/job-folder.md: auto, query_low_rank, ...
  std::string options_json = "{}";  // Trainer options; unknown keys are refused when queued.
  uint64_t seed = 1;
  // What happens to a version that passes the gate.
  bool activate = true;
  // The part of the vector's feedback that it learns from and is judged by.
  FeedbackFilter feedback = {};
  // The admin's own judgements, which the gate asks; null: none.
  std::shared_ptr<const TrustedJudgements> trusted = nullptr;
  // Given: not an adapter is asked for but a bridge from the vector to an older model's.
  std::shared_ptr<const BridgeRequest> bridge = nullptr;
};

enum class JobState : uint8_t {
  kQueued,
  kRunning,
  kSucceeded,
  kRejected,
  kSkipped,
  kFailed,
  kCancelled
};
std::string_view JobStateName(JobState state);  // "queued", ...
bool IsFinal(JobState state);

struct Job {
  std::string id;
  std::string collection;
  std::string vector_name;
  AdaptationRequest request;
  JobState state = JobState::kQueued;
  std::string phase;                 // "export", "train", "gate", "activate", ...
  double fraction = 0;               // Of the whole job, 0..1.
  double eta_seconds = 0;            // 0: unknown.
  std::string reason;                // Why it failed, was rejected, skipped; one sentence.
  std::optional<VersionId> version;  // The version that it made.
  std::string report_json;           // The trainer's report; empty until there is one.
  int64_t created_at_ms = 0, started_at_ms = 0, ended_at_ms = 0;
  uint64_t feedback_events = 0;  // How many it was trained on.
};

// One line of a job's progress: `data_json` is an object {"event": ..., ...}.
struct JobEvent {
  uint64_t number = 0;  // From 1.
  std::string data_json;
};

}  // namespace almagest
