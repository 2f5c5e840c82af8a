#include "tests/bench/learning/compatibility_arms.h"

namespace almagest::bench {
namespace {

// The weights that the method was proposed with, for adapters over frozen vectors.
constexpr double kAnchorWeight = 0.05;
constexpr double kContrastWeight = 0.3;
constexpr double kOldDocumentsWeight = 0.5;

CompatibilityArm Plain(const char* name) { return {.served = {{name, Serving::kAsStored}}}; }

CompatibilityArm Stationary(const char* name, Anchor anchor) {
  CompatibilityArm arm = Plain(name);
  arm.anchor = anchor;
  arm.anchor_weight = anchor == Anchor::kNone ? 0 : kAnchorWeight;
  arm.contrast_weight = kContrastWeight;
  arm.old_documents_weight = kOldDocumentsWeight;
  return arm;
}

CompatibilityArm Mixed(const char* name) {
  CompatibilityArm arm = Plain(name);
  arm.mixes_versions = true;
  return arm;
}

}  // namespace

std::vector<CompatibilityArm> CompatibilityArms(bool ablations) {
  CompatibilityArm queries_only = Plain("query_linear");
  queries_only.shape = MapShape::kLinear;
  queries_only.maps_documents = false;
  CompatibilityArm linear = Plain("linear_folded");
  linear.shape = MapShape::kLinear;
  linear.served = {{"linear_folded", Serving::kFolded}, {"linear_as_stored", Serving::kAsStored}};
  CompatibilityArm mlp = Plain("mlp_as_stored");
  mlp.served = {{"mlp_as_stored", Serving::kAsStored}, {"mlp_fitted", Serving::kFitted}};
  CompatibilityArm mixed = Mixed("mlp_mixed");
  mixed.served.push_back({"mlp_mixed_fitted", Serving::kFitted});
  std::vector<CompatibilityArm> arms = {queries_only,
                                        linear,
                                        mlp,
                                        Stationary("mlp_stationary_kl", Anchor::kSoft),
                                        Stationary("mlp_stationary_ce", Anchor::kHard),
                                        mixed};
  if (!ablations) return arms;

  arms.push_back(Stationary("mlp_stationary_no_anchor", Anchor::kNone));
  arms.push_back(Stationary("mlp_stationary_ce_centroids", Anchor::kHard));
  arms.back().simplex = false;
  arms.push_back(Stationary("mlp_stationary_kl_no_contrast", Anchor::kSoft));
  arms.back().contrast_weight = 0;
  arms.push_back(Stationary("mlp_stationary_kl_no_old_documents", Anchor::kSoft));
  arms.back().old_documents_weight = 0;
  arms.push_back(Mixed("mlp_mixed_hinge"));
  arms.back().hinge_weight = 1;
  arms.push_back(Plain("mlp_warm"));
  arms.back().warm_start = true;
  arms.push_back(Stationary("mlp_stationary_kl_warm", Anchor::kSoft));
  arms.back().warm_start = true;
  arms.push_back(Mixed("mlp_mixed_warm"));
  arms.back().warm_start = true;
  return arms;
}

}  // namespace almagest::bench
