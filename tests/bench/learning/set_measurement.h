// Everything that is measured on one judged set with one model's vectors.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "storage/base/result.h"
#include "tests/bench/learning/judged_set.h"

namespace almagest::bench {

struct MeasurementOptions {
  int64_t threads = 1;
  int64_t seed = 1;
  nlohmann::ordered_json options = nlohmann::ordered_json::object();  // Of the job.
};

// Trains on the train judgements (the automatic setting, and the reference adapter), measures on
// the test judgements, prints a block of lines, and returns the rows of issue "Measured":
// {"dataset", "model", "method", "ndcg_at_10", "recall_at_100", "difference_to_reference_95",
//  "difference_to_untrained_95"} for the methods untrained, whitened, bm25, rrf, reference,
//  automatic,
// rrf_reference, rrf_automatic, fused_automatic and reembedded_0 .. reembedded_100; the last entry,
// "speed", has times and rates. `folder` is a scratch folder for the job.
Result<nlohmann::ordered_json> MeasureSet(const JudgedSet& set, const std::string& model,
                                          const MeasurementOptions& options,
                                          const std::filesystem::path& folder);

}  // namespace almagest::bench
