#include "engine/learning/version_trial.h"

#include <algorithm>
#include <memory>

#include "engine/search/query_executor.h"
#include "engine/search/query_trace.h"

namespace almagest {
namespace {

// Whether `node` and those below compare nothing but the vector of that name and sparse ones.
bool SearchesOnly(const QueryNode& node, const std::string& vector_name) {
  for (const QueryNode& child : node.prefetch) {
    if (!SearchesOnly(child, vector_name)) return false;
  }
  if (!node.query || node.using_vector == vector_name) return true;
  const auto* nearest = std::get_if<NearestQuery>(&*node.query);
  if (nearest != nullptr) return std::holds_alternative<SparseVector>(nearest->target);
  return std::holds_alternative<FusionQuery>(*node.query) ||
         std::holds_alternative<FormulaQuery>(*node.query) ||
         std::holds_alternative<OrderByQuery>(*node.query);
}

std::vector<PointId> IdsOf(const std::vector<Hit>& hits) {
  std::vector<PointId> ids;
  for (const Hit& hit : hits) ids.push_back(hit.id);
  return ids;
}

QueryRequest AsVersion(const QueryRequest& request, VersionId version) {
  QueryRequest other = request;
  other.as_version = version;
  other.trace = nullptr;
  return other;
}

// The share of `hits` that `others` have, too.
double Overlap(const std::vector<Hit>& hits, const std::vector<Hit>& others) {
  if (hits.empty()) return others.empty() ? 1 : 0;
  const std::vector<PointId> ids = IdsOf(others);
  const auto shared = std::count_if(hits.begin(), hits.end(), [&](const Hit& hit) {
    return std::find(ids.begin(), ids.end(), hit.id) != ids.end();
  });
  return static_cast<double>(shared) / static_cast<double>(hits.size());
}

}  // namespace

bool CanTry(const QueryRequest& request, const LoggedQuery& logged) {
  return request.offset == 0 && request.root.limit <= kTrialLimitMax &&
         SearchesOnly(request.root, logged.vector_name);
}

Result<std::vector<Hit>> SearchWithShadow(const Collection& collection, const QueryRequest& request,
                                          VersionId version, uint64_t seed, ShadowSample* sample) {
  const QueryRequest other = AsVersion(request, version);
  std::optional<Result<std::vector<Hit>>> shadow;
  double shadow_seconds = 0;
  const auto run_shadow = [&] {
    const Stopwatch stopwatch;
    shadow = ExecuteQuery(collection, other);
    shadow_seconds = stopwatch.seconds();
  };
  if ((seed & 1) != 0) run_shadow();
  const Stopwatch stopwatch;
  ALMAGEST_TRY(auto hits, ExecuteQuery(collection, request));
  const double active_seconds = stopwatch.seconds();
  if (!shadow) run_shadow();
  if (shadow->has_value()) {
    *sample = {version, 1, Overlap(hits, **shadow), active_seconds, shadow_seconds};
  }
  return hits;
}

Result<std::vector<Hit>> SearchInterleaved(const Collection& collection,
                                           const QueryRequest& request, VersionId active,
                                           VersionId version, uint64_t seed, LoggedQuery* logged) {
  ALMAGEST_TRY(auto first, ExecuteQuery(collection, request));
  ALMAGEST_TRY(auto second, ExecuteQuery(collection, AsVersion(request, version)));
  const auto picks = DraftTeams(IdsOf(first), IdsOf(second), request.root.limit, seed);
  auto log = std::make_shared<LoggedInterleaving>();
  log->first = active;
  log->second = version;
  std::vector<Hit> hits;
  std::vector<std::vector<LegPlace>> places;
  for (const DraftPick& pick : picks) {
    log->teams.push_back(pick.team);
    hits.push_back(std::move((pick.from_second ? second : first)[pick.index]));
    if (request.trace == nullptr) continue;
    places.emplace_back();
    if (!pick.from_second) places.back() = std::move(request.trace->hits[pick.index]);
  }
  if (request.trace != nullptr) request.trace->hits = std::move(places);
  logged->interleaving = std::move(log);
  return hits;
}

}  // namespace almagest
