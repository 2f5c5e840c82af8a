// Which reciprocal rank fusion `{"fusion": "learned"}` stands for.
#pragma once

#include <string>

#include "engine/collection/collection.h"
#include "engine/query.h"

namespace almagest {

struct LearnedFusionPlan {
  FusionQuery fusion;  // RRF.
  std::string reason;  // For explanations: whose weights, or why plain RRF.
};

// The node's two prefetches must search a dense vector and a sparse one, in any order; the weights
// are those learned with the version that searches the dense vector (VersionAsked, or the active
// one), put in the order of the prefetches. A version without them (the identity, whitening, one
// trained without texts) gives plain RRF, as `{"fusion": "rrf"}`. kBadRequest for other prefetches;
// kInvalidArgument for a vector that is not there.
Result<LearnedFusionPlan> PlanLearnedFusion(const Collection& collection,
                                            const CollectionView& view, const QueryNode& node,
                                            const QueryRequest& request);

}  // namespace almagest
