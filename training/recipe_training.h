// A recipe is how the chosen candidate was trained: its start, steps and factor are fixed. Here it
// is trained, on whatever queries are given: folds, all known ones, all but one user's.
#pragma once

#include <cstdint>
#include <span>

#include "storage/base/result.h"
#include "training/adapter_training.h"
#include "training/job_config.h"
#include "training/judgements.h"
#include "training/linear_adapter.h"
#include "training/progress.h"
#include "training/space_geometry.h"
#include "training/vector_space.h"

namespace almagest::training {

// Where a candidate of matched_power > 0 starts: `matched` and the rest are of the same queries
// `judged`, the only ones that the start has seen.
LinearAdapter MatchedStart(const WhiteningBasis& matched, const Candidate& candidate,
                           const VectorSpace& space, std::span<const JudgedQuery> judged);

// A candidate that learns a hidden layer of queries, `shape`, on top of what the linear candidate
// `below` was trained to: documents stay as that has them.
Candidate OnTopOf(Candidate below, const TrainedCandidate& trained, Shape shape);

// How many runs are worth averaging: where queries are few, steps are cheap and luck is large.
int64_t RecipeRuns(size_t queries);

// The recipe trained again, on exactly the queries given: the mean of `runs` maps of different
// seeds (each a different draw of batches; all start at the same map, so their mean is one, too),
// or one run where the map has a hidden layer, of which there is no mean.
// No deadline: the number of steps is known, and so is their pace. kInternal if a loss diverged.
Result<LinearAdapter> TrainRecipe(const VectorSpace& space, std::span<const JudgedQuery> judged,
                                  Candidate recipe, const JobConfig& config, int64_t runs,
                                  Progress* progress);

}  // namespace almagest::training
