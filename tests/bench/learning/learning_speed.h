// How fast learning was, beside what the machine's matrix multiplication allows.
#pragma once

#include <nlohmann/json.hpp>

#include "storage/base/result.h"
#include "tests/bench/learning/judged_set.h"
#include "training/report.h"

namespace almagest::bench {

// {"job_seconds", "training_seconds", "steps", "steps_per_second", "steps_per_second_floor",
//  "sgemm_gflops", "reembedding_vectors_per_second", "reembedding_share_of_sgemm"}. The floor is
//  the
// rate at which the training's multiplications alone would run, validation and mining left out of
// it but not of training_seconds. Re-embedding is that of the server (engine/linalg, one thread).
Result<nlohmann::ordered_json> MeasureSpeed(const training::JobReport& report,
                                            const ModelVectors& vectors,
                                            const training::LinearAdapter& adapter,
                                            int64_t threads);

}  // namespace almagest::bench
