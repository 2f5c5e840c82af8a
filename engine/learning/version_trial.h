// A version tried on a share of the searches of users before it is activated: in their shadow, or
// with its results in theirs (interleaving.h).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/learning/interleaving.h"
#include "engine/query.h"

namespace almagest {

struct TrialPolicy {
  enum class Mode : uint8_t { kOff, kShadow, kInterleave };
  Mode mode = Mode::kOff;
  VersionId version = 0;  // Nothing is tried while it is the active one, or gone.
  double rate = 0.1;      // Share of the searches; 0 to 1.
  bool on() const { return mode != Mode::kOff; }
};
inline constexpr std::string_view kTrialModes[] = {"off", "shadow", "interleave"};

// What shadow searches by one version found, in memory only.
struct ShadowSample {
  VersionId version = 0;
  uint64_t searches = 0;
  double overlap =
      0;  // Sums over searches: of the active version's hits, the share that it has, too
  double active_seconds = 0;
  double shadow_seconds = 0;
};

// Whether another version of the logged leg's field can answer the query: no other adapted vector
// is searched, and it is the first page of at most kTrialLimitMax hits.
inline constexpr uint64_t kTrialLimitMax = 1'000;
bool CanTry(const QueryRequest& request, const LoggedQuery& logged);

// Answers by the active version, and beside it by `version`, in an order that `seed` chooses, so
// that both meet cold caches as often. What fails of the second is not counted. Cost: two searches,
// one after the other.
Result<std::vector<Hit>> SearchWithShadow(const Collection& collection, const QueryRequest& request,
                                          VersionId version, uint64_t seed, ShadowSample* sample);

// Answers with a draft of both versions' hits, told in logged->interleaving. Scores are those of
// the version that a hit was picked from. A trace is that of the active version's search.
Result<std::vector<Hit>> SearchInterleaved(const Collection& collection,
                                           const QueryRequest& request, VersionId active,
                                           VersionId version, uint64_t seed, LoggedQuery* logged);

}  // namespace almagest
