#include "engine/search/learned_fusion.h"

#include <cstdio>
#include <utility>

#include "engine/search/vector_query.h"

namespace almagest {
namespace {

std::string WeightText(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

tl::unexpected<Error> WrongPrefetches(const std::string& what) {
  return Fail(ErrorCode::kBadRequest,
              "learned fusion is of two prefetches, one that searches a dense vector and one that "
              "searches a sparse vector; " +
                  what);
}

}  // namespace

Result<LearnedFusionPlan> PlanLearnedFusion(const Collection& collection,
                                            const CollectionView& view, const QueryNode& node,
                                            const QueryRequest& request) {
  if (node.prefetch.size() != 2) {
    return WrongPrefetches("got " + std::to_string(node.prefetch.size()));
  }
  std::optional<Collection::Field> dense;
  size_t dense_at = 0;
  for (size_t i = 0; i < 2; ++i) {
    const QueryNode& leg = node.prefetch[i];
    if (!leg.query || !IsVectorQuery(*leg.query)) {
      return WrongPrefetches("prefetch[" + std::to_string(i) + "] searches no vector");
    }
    ALMAGEST_TRY(const Collection::Field field, collection.FindField(leg.using_vector));
    if (field.is_sparse) continue;
    if (dense) return WrongPrefetches("both search a dense vector");
    dense = field;
    dense_at = i;
  }
  if (!dense) return WrongPrefetches("both search a sparse vector");
  const QueryNode& leg = node.prefetch[dense_at];
  const std::string& name = leg.using_vector;
  const auto versions = view.versions.find(dense->id);
  const VersionId id = versions == view.versions.end()
                           ? 0
                           : VersionAsked(request, leg).value_or(versions->second->active());
  const AdapterVersion* version =
      versions == view.versions.end() ? nullptr : versions->second->Find(id);
  const std::string whose = "version " + std::to_string(id) + " of vector '" + name + "'";
  LearnedFusionPlan plan;
  if (version == nullptr || !version->fusion) {
    plan.reason = "plain rrf: " + whose +
                  " has no learned fusion weights; they are learned with a version when feedback "
                  "has queries with texts and one sparse vector has the modifier idf";
    return plan;
  }
  const LearnedFusion& learned = *version->fusion;
  plan.fusion.rrf_k = learned.k;
  plan.fusion.weights = {learned.dense, learned.text};
  if (dense_at == 1) std::swap(plan.fusion.weights[0], plan.fusion.weights[1]);
  plan.reason = "learned with " + whose + ": k " + WeightText(learned.k) + ", weights dense " +
                WeightText(learned.dense) + ", text " + WeightText(learned.text);
  return plan;
}

}  // namespace almagest
