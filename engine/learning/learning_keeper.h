// What the learning loop does when nobody asks: starts adaptations that a policy wants and leaves
// versions with which users find less.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/learning/feedback_store.h"
#include "engine/learning/job.h"
#include "engine/learning/learning_policy.h"
#include "engine/learning/live_experiments.h"
#include "engine/learning/live_signals.h"

namespace almagest {

struct KeeperResources {
  PolicyStore* policies = nullptr;
  const FeedbackStore* feedback = nullptr;
  const LiveSignals* signals = nullptr;
  LiveExperiments* experiments = nullptr;  // Told the policies, also those of restored collections.
  std::function<std::vector<std::shared_ptr<Collection>>()> collections;
  // Queues an adaptation; called when one is due and none of the field waits or runs.
  std::function<Result<std::string>(const std::string& collection, const std::string& vector)>
      start_job;
  std::function<bool(CollectionId collection, const std::string& vector)> has_open_job;
};

// One round over all adaptable fields. What fails is logged, and tried again in the next round.
// Cost: one look-up a field; a rollback costs an activation.
void KeepOnce(const KeeperResources& resources, int64_t now_ms);

}  // namespace almagest
