// What the optimizer does next: a pure function of the collection's segments, so that it can be
// tested without any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/config.h"

namespace almagest {

struct SegmentSummary {
  uint64_t id = 0;
  bool sealed = false;
  bool growing = false;  // Takes new rows; a segment that is neither is frozen.
  uint32_t rows = 0;
  uint32_t deleted = 0;
  // Some dense field's document map, or what its index was built by, differs from what holds now.
  bool outdated = false;
  uint32_t live() const { return rows - deleted; }
};

struct OptimizerStep {
  enum class Kind : uint8_t { kSeal, kReembed, kVacuum, kMerge };
  Kind kind = Kind::kSeal;
  std::vector<uint64_t> segments;  // To be rewritten as one.
};

struct OptimizerSituation {
  bool idle = false;  // No write for a while: a small growing segment is sealed too.
  bool reembedding_paused = false;
};

// In this order: seal what is frozen or full (memory is the scarcest), re-embed what is outdated,
// vacuum what is full of deleted rows, merge the smallest while there are too many.
// nullopt: nothing to do. Repeating the steps comes to an end when no write happens meanwhile.
std::optional<OptimizerStep> NextStep(std::span<const SegmentSummary> segments,
                                      const OptimizerConfig& config,
                                      const OptimizerSituation& situation);

}  // namespace almagest
