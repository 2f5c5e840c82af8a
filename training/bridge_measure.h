// What a search through a bridge is worth: while no document has a vector of the new model, while
// some have, and when all have.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/base/monotone_curve.h"
#include "training/bridge_space.h"
#include "training/judgements.h"

namespace almagest::training {

inline constexpr int64_t kBridgeDepth = 10;  // Results that are compared: @10 throughout.

// Searches as the server answers them while a part of the documents, drawn by `seed`, has vectors
// of the new model: these by the new model, the others through the bridge, merged by score.
class MixedSearch {
 public:
  MixedSearch(const BridgeSpace& space, const BridgeMap& map, const MonotoneCurve& curve,
              int64_t documents, uint64_t seed);
  // The first ten documents of each probe at this share, kBridgeDepth a probe, -1 for none.
  std::vector<int32_t> Run(const Probes& probes, double share) const;

 private:
  const BridgeSpace& space_;
  const BridgeMap& map_;
  const MonotoneCurve& curve_;
  std::vector<double> draw_;  // One per document, 0..1: re-encoded when below the share.
};

// Merges two lists, best first, to the `depth` best. `second` keeps its order whatever the curve
// makes of equal scores, and where both have a score, `first` comes first.
std::vector<int32_t> MergeByScore(std::span<const int32_t> first, std::span<const float> scores,
                                  std::span<const int32_t> second, std::span<const float> mapped,
                                  const MonotoneCurve& curve, size_t depth);

// Of the documents in `truth`, the share that `found` has, too: one value per probe. Both have
// kBridgeDepth entries a probe.
std::vector<double> Overlap(std::span<const int32_t> found, std::span<const int32_t> truth);

// nDCG@10 of each judged query from its ranking (kBridgeDepth entries each).
std::vector<double> NdcgAt10(std::span<const int32_t> found, std::span<const JudgedQuery> judged);

// The curves that are tried. Fitted on the scores of each probe's best documents on either side.
struct Calibrations {
  std::vector<std::pair<const char*, MonotoneCurve>> curves;
  double raw_distance = 0;  // DistributionDistance of the first ten scores of both, as they are.
};
Result<Calibrations> FitCalibrations(const BridgeSpace& space, const BridgeMap& map,
                                     const Probes& probes);

}  // namespace almagest::training
