// Whose results a version changed: the held-out queries that gained most and those that lost most.
// A mean hides both; a person who reads them sees what was learned.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "training/judgements.h"

namespace almagest::training {

struct QueryChange {
  int32_t query = 0;   // Row of the query matrix.
  double active = 0;   // nDCG@10 by the active version...
  double trained = 0;  // ...and by the one trained.
};

struct QueryChanges {
  size_t won = 0, lost = 0, unchanged = 0;  // Held-out queries.
  std::vector<QueryChange> won_most;        // The largest gain first; kQueryChangesMax at most.
  std::vector<QueryChange> lost_most;       // The largest loss first; as many.
};

inline constexpr size_t kQueryChangesMax = 20;
inline constexpr double kUnchanged = 1e-6;  // A smaller difference is none.

// All three of one length; equal changes are ordered by query.
QueryChanges FindQueryChanges(std::span<const JudgedQuery> held_out, std::span<const double> active,
                              std::span<const double> trained);

}  // namespace almagest::training
