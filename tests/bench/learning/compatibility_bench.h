// Learned compatibility of adapter versions, for document maps that are not linear, against the
// exact algebra for linear ones. Decision 0008 has the figures and what follows from them.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "storage/base/result.h"
#include "tests/bench/learning/judged_set.h"

namespace almagest::bench {

struct CompatibilityOptions {
  int64_t threads = 1;
  int64_t seeds = 5;
  int64_t versions =
      3;                // Trained ones, each from more of the train queries; version 0 is the base.
  int64_t steps = 200;  // Of each version, at most.
  bool ablations = true;  // All arms; else the main ones.
};

// Trains all versions of every arm for every seed, on the train queries alone; measures on at most
// 1,000 test queries; prints a table and returns its rows (ReportArm, with "dataset" and "model").
// The learning rate of each shape of map is chosen once, on validation queries of the first seed.
// kFailedPrecondition with fewer than 10 train queries for the first version.
Result<nlohmann::ordered_json> MeasureLearnedCompatibility(const JudgedSet& set,
                                                           const std::string& model,
                                                           const CompatibilityOptions& options);

}  // namespace almagest::bench
