// What a bridge between two embedding models is asked for with (docs/decisions/0007-bridges.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/learning/feedback.h"
#include "engine/types.h"

namespace almagest {

inline constexpr char kBridgeObjective[] = "bridge";  // Of its job.
inline constexpr uint64_t kBridgePairsMin = 1'000;    // Points with both vectors; as the trainer's.
inline constexpr uint64_t kBridgeSampleMax = 100'000;  // Of these points, taken by a job.
inline constexpr size_t kBridgeQueriesMax = 10'000;    // Judged queries in a request.

// A query whose answers are known, encoded by the new model and, if it can be, by the old one.
struct BridgeQuery {
  DenseVector from;
  std::optional<DenseVector> to;
  std::vector<Grade> judgements;
};

// The vector that queries come in (`from`, the new model) is the job's.
struct BridgeRequest {
  std::string to;            // The old model's vector.
  uint64_t sample = 10'000;  // kBridgePairsMin..kBridgeSampleMax pairs are looked at.
  bool force = false;        // Activate although nobody knows whether it beats the old model.
  std::vector<BridgeQuery> queries;  // Beside those that feedback on `from` has.
};

}  // namespace almagest
