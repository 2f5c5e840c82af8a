// Checks against feedback that was planted: by one user, or for one document. Both look at what the
// trained version does, not at how the feedback looks.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "storage/base/result.h"
#include "training/candidate_selection.h"
#include "training/gate.h"
#include "training/judgements.h"
#include "training/query_split.h"

namespace almagest::training {

// From this many users on, one of them is not trusted alone.
inline constexpr size_t kUsersMin = 20;

// The document that the new version newly shows to the most held-out queries: among the first ten
// of `trained` and of neither `identity` nor `whitened` (which saw no judgement).
NewlyShown FindNewlyShown(const VectorSpace& space, const LinearAdapter& trained,
                          const LinearAdapter& identity, const LinearAdapter& whitened,
                          std::span<const JudgedQuery> held_out, const Tick& tick);

// Trains the recipe again without the judgements of the heaviest user and measures it on the
// held-out queries as others judged them. Absent with fewer than kUsersMin users, if that user
// bears no more than `share_limit` of the weight, or if nothing was trained. Cost: one training.
Result<std::optional<WithoutTopUser>> TrainWithoutTopUser(
    const VectorSpace& space, const JudgementColumns& columns, std::span<const JudgedQuery> judged,
    const QuerySplit& split, const Selection& selection, const LinearAdapter& active,
    const JobConfig& config, Progress* progress);

}  // namespace almagest::training
