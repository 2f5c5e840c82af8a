// Measures the versions of one arm against each other. Uses LibTorch: include only from files that
// do anyway.
#pragma once

#include <torch/torch.h>

#include <span>
#include <vector>

#include "tests/bench/learning/compatibility_arms.h"
#include "tests/bench/learning/compatibility_report.h"
#include "tests/bench/learning/compatibility_training.h"

namespace almagest::bench {

// Scores [queries, N] of queries by `asking` (rows `query_rows`) against all documents as `storing`
// stored them. A version asks its own documents by inner products, whatever the serving.
torch::Tensor ScoresAcross(Serving serving, const MappedVersion& asking,
                           const MappedVersion& storing, const torch::Tensor& query_rows);

// The whole matrix, and the last version's queries against a collection of which a part is stored
// by the last version and the rest by version 0, in one ranking.
VersionQuality MeasureVersions(Serving serving, std::span<const MappedVersion> versions,
                               std::span<const training::JudgedQuery> test);

}  // namespace almagest::bench
