// Search quality while a collection is re-embedded: a part of the documents stored by the new
// version, the rest as before, all searched at once by the serving algebra (engine/linalg).
#pragma once

#include <span>
#include <vector>

#include "storage/base/result.h"
#include "tests/bench/learning/judged_set.h"
#include "training/judgements.h"
#include "training/linear_adapter.h"
#include "training/metrics.h"

namespace almagest::bench {

// One list of metrics for each fraction (0..1) of documents stored by `adapter`; which documents,
// is drawn by a fixed seed. From version 0 (documents as given), exact search, no index.
// kFailedPrecondition if the adapter's document map cannot be inverted.
Result<std::vector<std::vector<training::QueryMetrics>>> MeasurePartialMigration(
    const ModelVectors& vectors, const training::LinearAdapter& adapter,
    std::span<const training::JudgedQuery> test, std::span<const double> fractions);

}  // namespace almagest::bench
