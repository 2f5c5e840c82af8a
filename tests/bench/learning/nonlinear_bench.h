// Is a hidden layer of queries worth having? On the train judgements of a set alone: 70 % train,
// 15 % stop, 15 % judge; test judgements are not looked at.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "storage/base/result.h"
#include "tests/bench/learning/judged_set.h"

namespace almagest::bench {

// For each seed (split, batches, starting units): one W for both sides from the whitening map,
// which is what the trainer chooses on most sets; on top of it the same again, and, documents
// staying as they are, for queries alone a full W, a low-rank one, an mlp and a mixture; and the
// latter on the whitening map and on the base vectors. Prints nDCG@10 of the judging queries, and
// the paired difference to the start. Rows: {dataset, model, seed, start, method, stopped, judged,
// loads}. `options` are those of a job.
Result<nlohmann::ordered_json> MeasureNonLinear(const JudgedSet& set, const std::string& model,
                                                int64_t seeds, int64_t threads,
                                                const nlohmann::ordered_json& options,
                                                const std::filesystem::path& folder);

}  // namespace almagest::bench
