#include "engine/learning/live_experiments.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include "engine/search/named_version.h"
#include "engine/search/query_executor.h"
#include "engine/search/query_trace.h"
#include "storage/base/checksum.h"

namespace almagest {
namespace {

bool CanExplore(const QueryRequest& request, const LoggedQuery& logged,
                const ExplorationPolicy& policy) {
  const QueryNode& root = request.root;
  const auto* nearest = root.query ? std::get_if<NearestQuery>(&*root.query) : nullptr;
  if (nearest == nullptr || nearest->mmr || request.offset != 0 || root.limit <= policy.slots ||
      root.limit >= policy.depth || root.using_vector != logged.vector_name) {
    return false;
  }
  const auto* vector = std::get_if<DenseVector>(&nearest->target);
  return vector != nullptr && *vector == logged.base_vector;
}

// The entries at `places`, in that order.
template <class T>
std::vector<T> Picked(std::vector<T> from, const std::vector<size_t>& places) {
  std::vector<T> picked;
  picked.reserve(places.size());
  for (const size_t place : places) picked.push_back(std::move(from[place]));
  return picked;
}

// 0 to below 1.
double CoinOf(uint64_t seed) { return static_cast<double>(seed >> 11) * 0x1p-53; }

Result<std::vector<Hit>> SearchExploring(const Collection& collection, QueryRequest& request,
                                         VersionId active, const ExplorationPolicy& policy,
                                         uint64_t seed, LoggedQuery* logged) {
  const uint64_t limit = std::exchange(request.root.limit, policy.depth);
  auto found = ExecuteQuery(collection, request);
  request.root.limit = limit;
  ALMAGEST_TRY(std::vector<Hit> hits, std::move(found));

  auto log = std::make_shared<LoggedExploration>();
  log->version = active;
  log->rate = policy.rate;
  log->slots = policy.slots;
  log->shown = static_cast<uint32_t>(std::min<uint64_t>(limit, hits.size()));
  log->candidates.reserve(hits.size());
  for (const Hit& hit : hits) log->candidates.push_back(hit.id);
  log->explored = hits.size() > limit && CoinOf(seed) < policy.rate;
  const std::vector<size_t> places = DrawPlaces(*log, Mix64(seed));
  if (request.trace != nullptr) {
    request.trace->hits.resize(hits.size());
    request.trace->hits = Picked(std::move(request.trace->hits), places);
  }
  logged->exploration = std::move(log);
  return Picked(std::move(hits), places);
}

}  // namespace

void LiveExperiments::SetPolicy(CollectionId collection, FieldId field,
                                const FieldExperiments& policy) {
  const Key key{collection, field};
  const std::unique_lock lock(mutex_);
  if (policy.on()) {
    policies_[key] = policy;
  } else {
    policies_.erase(key);
  }
  any_.store(!policies_.empty(), std::memory_order_relaxed);
}

void LiveExperiments::ForgetCollection(CollectionId collection) {
  const auto is_its = [&](const auto& entry) { return entry.first.first == collection; };
  const std::unique_lock lock(mutex_);
  std::erase_if(policies_, is_its);
  std::erase_if(shadows_, is_its);
  any_.store(!policies_.empty(), std::memory_order_relaxed);
}

std::optional<FieldExperiments> LiveExperiments::PolicyOf(const Key& key) const {
  const std::shared_lock lock(mutex_);
  const auto found = policies_.find(key);
  return found == policies_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<ShadowSample> LiveExperiments::Shadow(CollectionId collection, FieldId field) const {
  const std::shared_lock lock(mutex_);
  const auto found = shadows_.find({collection, field});
  return found == shadows_.end() ? std::nullopt : std::optional(found->second);
}

void LiveExperiments::AddShadow(const Key& key, const ShadowSample& sample) {
  const std::unique_lock lock(mutex_);
  ShadowSample& sum = shadows_[key];
  if (sum.version != sample.version) sum = {};
  sum.version = sample.version;
  sum.searches += sample.searches;
  sum.overlap += sample.overlap;
  sum.active_seconds += sample.active_seconds;
  sum.shadow_seconds += sample.shadow_seconds;
}

Result<std::vector<Hit>> LiveExperiments::Search(const Collection& collection,
                                                 QueryRequest& request, LoggedQuery* logged) {
  ALMAGEST_TRY(const Collection::Field field, collection.FindField(logged->vector_name));
  const Key key{collection.id(), field.id};
  const auto policy = PolicyOf(key);
  if (!policy || NamesVersion(request.root)) return ExecuteQuery(collection, request);
  ALMAGEST_TRY(const auto versions, collection.Versions(logged->vector_name));
  const VersionId active = versions->active();
  const uint64_t seed = Mix64(seed_ + draws_.fetch_add(1, std::memory_order_relaxed));

  const TrialPolicy& trial = policy->trial;
  if (trial.on() && trial.version != active && CoinOf(seed) < trial.rate &&
      versions->Find(trial.version) != nullptr && CanTry(request, *logged)) {
    if (trial.mode == TrialPolicy::Mode::kInterleave) {
      return SearchInterleaved(collection, request, active, trial.version, Mix64(seed), logged);
    }
    ShadowSample sample;
    ALMAGEST_TRY(auto hits,
                 SearchWithShadow(collection, request, trial.version, Mix64(seed), &sample));
    if (sample.searches > 0) AddShadow(key, sample);
    return hits;
  }
  if (policy->exploration.on() && CanExplore(request, *logged, policy->exploration)) {
    return SearchExploring(collection, request, active, policy->exploration, Mix64(~seed), logged);
  }
  return ExecuteQuery(collection, request);
}

}  // namespace almagest
