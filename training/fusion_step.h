// The part of a job that learns fusion weights, when the job folder has a text leg.
#pragma once

#include <optional>
#include <span>

#include "storage/base/result.h"
#include "training/candidate_selection.h"
#include "training/fusion_tuning.h"
#include "training/job_folder.h"
#include "training/query_split.h"

namespace almagest::training {

// Weights for the winning recipe and the text leg. With at least kFusionQueries held-out queries:
// on those, by `selection.adapter`, which has not seen them. With fewer: on all judged queries,
// each by a run of the recipe that did not see it (five folds). Absent without a text leg or with
// fewer than kFusionQueriesMin queries that have one.
Result<std::optional<FusionChoice>> LearnFusion(const VectorSpace& space, const JobFolder& folder,
                                                std::span<const JudgedQuery> judged,
                                                const QuerySplit& split, const Selection& selection,
                                                Progress* progress);

inline constexpr size_t kFusionQueries = 100;
inline constexpr size_t kFusionQueriesMin = 20;

}  // namespace almagest::training
