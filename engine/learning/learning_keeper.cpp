#include "engine/learning/learning_keeper.h"

#include "storage/base/log.h"

namespace almagest {
namespace {

class Round {
 public:
  Round(const KeeperResources& resources, Collection& collection, std::string vector_name,
        int64_t now_ms)
      : resources_(resources),
        collection_(collection),
        vector_name_(std::move(vector_name)),
        now_ms_(now_ms) {}

  Result<> Run() {
    ALMAGEST_TRY(const Collection::Field field, collection_.FindField(vector_name_));
    ALMAGEST_TRY(const LearningState state, resources_.policies->Read(collection_.id(), field.id));
    resources_.experiments->SetPolicy(collection_.id(), field.id, state.policy.experiments);
    ALMAGEST_TRY_VOID(RollBack(field.id, state));
    return StartJob(state);
  }

 private:
  Result<> RollBack(FieldId field, const LearningState& state) {
    ALMAGEST_TRY(const auto versions, collection_.Versions(vector_name_));
    const auto comparison =
        resources_.signals->Compare(collection_.id(), vector_name_, versions->active());
    if (!comparison || versions->Find(comparison->before) == nullptr) return {};
    // It was left for the same reason: going to and fro helps nobody.
    if (state.last_rollback && state.last_rollback->from == comparison->before) return {};
    auto reason = RollbackReason(state.policy, *comparison);
    if (!reason) return {};
    LogWarning("collection '" + collection_.name() + "', vector '" + vector_name_ +
               "': back to version " + std::to_string(comparison->before) + ", since " + *reason);
    ALMAGEST_TRY_VOID(collection_.ActivateVersion(vector_name_, comparison->before, true));
    return resources_.policies->Update(collection_.id(), field, [&](LearningState& changed) {
      changed.last_rollback = {comparison->active, comparison->before, now_ms_, *reason};
    });
  }

  Result<> StartJob(const LearningState& state) {
    if (!state.policy.automatic) return {};
    ALMAGEST_TRY(const uint64_t last_event, resources_.feedback->LastEvent(collection_.id()));
    if (!IsJobDue(state, last_event, now_ms_) ||
        resources_.has_open_job(collection_.id(), vector_name_)) {
      return {};
    }
    ALMAGEST_TRY(const std::string id, resources_.start_job(collection_.name(), vector_name_));
    LogInfo(id + " was started by the policy of vector '" + vector_name_ + "' of collection '" +
            collection_.name() + "'");
    return {};
  }

  const KeeperResources& resources_;
  Collection& collection_;
  const std::string vector_name_;
  const int64_t now_ms_;
};

}  // namespace

void KeepOnce(const KeeperResources& resources, int64_t now_ms) {
  for (const auto& collection : resources.collections()) {
    for (const auto& [name, dense] : collection->config().dense) {
      const bool adapts =
          dense.distance == Distance::kCosine || dense.distance == Distance::kDot;
      if (!adapts || dense.multi) continue;
      if (const auto done = Round(resources, *collection, name, now_ms).Run(); !done) {
        LogWarning("the learning policy of vector '" + name + "' of collection '" +
                   collection->name() + "' could not be followed: " + done.error().message);
      }
    }
  }
}

}  // namespace almagest
