// config.json of a job folder (docs/job-folder.md), written from an adaptation request. The
// request's options are checked here, so that a job with a bad one is refused when it is asked
// for and not an hour later. The trainer checks them again: it may run elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/learning/job.h"
#include "engine/types.h"
#include "storage/base/result.h"

namespace almagest {

struct TrainerJob {
  std::string job_id;
  std::string collection;
  Distance distance = Distance::kCosine;  // kCosine or kDot.
  uint32_t dimension = 1;
  unsigned threads = 1;
  VersionId active_version = 0;
  std::vector<VersionId> live_versions;  // With active_version.
  uint64_t gate_number = 1;              // GateNumber (gate_history.h).
};

// `request.options_json` is an object of trainer options, which may hold two more keys: "gate", an
// object of gate options, and "device" ("auto", "cpu", "cuda").
// kOutOfRange, naming the key, for an unknown objective, an unknown key or a value out of range.
Result<std::string> MakeTrainerConfig(const TrainerJob& job, const AdaptationRequest& request);

}  // namespace almagest
