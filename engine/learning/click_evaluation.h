// What adapter versions would have been worth to users, estimated from the clicks of searches that
// explored (counterfactual.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/learning/feedback_store.h"
#include "engine/learning/interleaving.h"
#include "storage/base/bootstrap.h"

namespace almagest {

inline constexpr size_t kClickVersionsMax = 8;
inline constexpr uint32_t kClickDepthMax = 1'000;
inline constexpr double kPositionBiasMax = 4;
inline constexpr double kClipMax = 1e6;
// Less says nothing that an interval could be trusted for.
inline constexpr uint64_t kExploredSearchesMin = 100;
inline constexpr double kEffectiveSampleMin = 200;

struct ClickEvaluationRequest {
  std::string vector_name;
  // 1 to kClickVersionsMax; none: the active one, and the newest of the others.
  std::vector<VersionId> versions;
  uint32_t k = 10;             // Ranks below are worth nothing; 1 to kClickDepthMax.
  double position_bias = 1;    // b of exploration.h; 0 to kPositionBiasMax.
  std::optional<double> clip;  // The largest 1 / p; 1 to kClipMax. Default: counterfactual.h.
  std::optional<int64_t> from_ms, until_ms;  // Of the feedback; until is exclusive.
  Deadline deadline;
};

// Means over what users wanted, with 95 % intervals; 0 beyond rank k.
struct ClickValues {
  Interval reciprocal_rank;  // 1 / rank
  Interval discounted_gain;  // 1 / log2(1 + rank)
};

struct ClickEvaluationResult {
  VersionId version = 0;
  ClickValues values;
  std::optional<ClickValues> over_first;  // The differences to the first version, paired by click.
};

struct ClickEvaluationReport {
  enum class Verdict : uint8_t { kEstimated, kNoExploration, kInsufficientData };
  Verdict verdict = Verdict::kNoExploration;
  std::string reason;              // One sentence with the numbers.
  uint64_t searches = 0;           // With clicks that name them by query id.
  uint64_t searches_logged = 0;    // Of those: under an exploring policy.
  uint64_t searches_explored = 0;  // Of those: whose coin fell so.
  uint64_t clicks = 0;             // Used: once per search and point.
  uint64_t clicks_left_out = 0;    // On points that the search did not show or that are gone.
  double effective_sample_size = 0;
  double clip = 0;
  double clipped_share = 0;
  std::vector<VersionId> versions;             // That were asked for.
  std::vector<ClickEvaluationResult> results;  // None unless estimated; same order.
  // Of searches that two versions answered together; whatever the verdict.
  std::vector<InterleavingOutcome> interleavings;
};

std::string_view VerdictName(ClickEvaluationReport::Verdict verdict);  // "estimated", ...

// A version's rank of a clicked point is its rank among the candidates that the search had (and
// that still exist), scored exactly: filters hold, and points that no version could be credited or
// blamed for do not count. So what a version would bring up from below the policy's depth stays
// invisible.
// Cost: decodes every feedback event; per logged search and version an exact scan of its
// candidates. kOutOfRange, kNotFound (version), kInvalidArgument (vector), kTimeout.
Result<ClickEvaluationReport> EvaluateClicks(const Collection& collection,
                                             const FeedbackStore& feedback,
                                             const ClickEvaluationRequest& request);

}  // namespace almagest
