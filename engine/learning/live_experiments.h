// What the learning loop tries out on the searches of users: exploration, and other versions.
#pragma once

#include <atomic>
#include <map>
#include <optional>
#include <shared_mutex>
#include <utility>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/learning/exploration.h"
#include "engine/learning/feedback.h"
#include "engine/learning/version_trial.h"
#include "engine/query.h"

namespace almagest {

struct FieldExperiments {
  ExplorationPolicy exploration;
  TrialPolicy trial;
  bool on() const { return exploration.on() || trial.on(); }
};

// The policies of fields that try something out, as last told (PolicyStore has them at rest).
// Thread-safe.
class LiveExperiments {
 public:
  // The same seed and the same order of searches draw the same.
  explicit LiveExperiments(uint64_t seed) : seed_(seed) {}

  // Whether there is any. Cost: a load; nothing else is paid where there is none.
  bool any() const { return any_.load(std::memory_order_relaxed); }

  void SetPolicy(CollectionId collection, FieldId field, const FieldExperiments& policy);
  void ForgetCollection(CollectionId collection);

  // Answers a query whose logged leg is in `logged`, as ExecuteQuery does. A coin decides whether
  // another version is tried on it, if it can be (version_trial.h); the rest explores where the
  // field does and the query itself (not a prefetch) is the nearest search of that leg, without MMR
  // and offset, and has a limit above `slots` and below `depth`: told in logged->exploration. A
  // query that names a version (named_version.h) is left as it is.
  // `request` is changed in between and left as it was. Cost: that of a search for `depth` hits.
  Result<std::vector<Hit>> Search(const Collection& collection, QueryRequest& request,
                                  LoggedQuery* logged);

  // What shadow searches found since the version was tried; nullopt: there were none.
  std::optional<ShadowSample> Shadow(CollectionId collection, FieldId field) const;

 private:
  using Key = std::pair<CollectionId, FieldId>;
  std::optional<FieldExperiments> PolicyOf(const Key& key) const;
  void AddShadow(const Key& key, const ShadowSample& sample);

  const uint64_t seed_;
  std::atomic<uint64_t> draws_{0};
  std::atomic<bool> any_{false};
  mutable std::shared_mutex mutex_;
  std::map<Key, FieldExperiments> policies_;  // Those that are on.
  std::map<Key, ShadowSample> shadows_;
};

}  // namespace almagest
