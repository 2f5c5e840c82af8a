// What the learning loop may do by itself with one dense field, and what it did last.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "engine/learning/live_experiments.h"
#include "engine/learning/live_signals.h"
#include "engine/types.h"
#include "storage/key_value_store.h"

namespace almagest {

// Hours of the day, UTC, in which the loop starts no job: from..until, across midnight if from is
// the later one. The same twice: none.
struct QuietHours {
  uint32_t from = 0, until = 0;  // 0 to 23.
  bool Contains(int64_t time_ms) const;
};

struct LearningPolicy {
  // Start an adaptation (objective auto; a promoted version is activated) when at least this much
  // feedback came since the last job of the field and this long has passed since it was started.
  bool automatic = false;
  uint64_t min_new_events = 500;  // 1 to 1e9
  double min_hours = 24;          // 0 to 8760
  QuietHours quiet_hours;
  // Go back to the version before, when users find less with the active one (live_signals.h): both
  // have answered so many searches, and the mean reciprocal rank of clicks fell by so many standard
  // errors.
  bool rollback = true;
  uint64_t rollback_searches = 1'000;  // 100 to 1e6
  double rollback_sigmas = 3;          // 1 to 10
  // What searches give up so that clicks can tell what other versions are worth. Off by default.
  FieldExperiments experiments;
};

struct RollbackRecord {
  VersionId from = 0;
  VersionId to = 0;
  int64_t time_ms = 0;
  std::string reason;
};

struct LearningState {
  LearningPolicy policy;
  uint64_t seen_event = 0;    // The last event when a job was last started.
  int64_t last_start_ms = 0;  // 0: never.
  std::optional<RollbackRecord> last_rollback;
};

// kOutOfRange, naming the value and the limits.
Result<> CheckPolicy(const LearningPolicy& policy);

// The states of all fields at rest, one small record each. Thread-safe; writes are synced.
class PolicyStore {
 public:
  explicit PolicyStore(KeyValueStore& store) : store_(store) {}

  // The defaults where nothing is stored. kCorruption if the record cannot be read.
  Result<LearningState> Read(CollectionId collection, FieldId field) const;
  // Reads, lets `change` have it, and writes; other updates wait meanwhile.
  Result<> Update(CollectionId collection, FieldId field,
                  const std::function<void(LearningState&)>& change);

 private:
  KeyValueStore& store_;
  std::mutex mutex_;
};

// Whether the policy starts a job now. `last_event`: the newest feedback event's id.
bool IsJobDue(const LearningState& state, uint64_t last_event, int64_t now_ms);

// Why the active version is to be left, in one sentence with the numbers; nullopt: it is not.
std::optional<std::string> RollbackReason(const LearningPolicy& policy,
                                          const LiveComparison& comparison);

}  // namespace almagest
