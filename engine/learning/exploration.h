// Exploration: some searches give their last places to hits from further down their list, with
// known probabilities, so that clicks can say something about what the present ranking does not
// show (click_evaluation.h). The price is a little quality in those places.
//
// Of n candidates, best first, a search shows L; the first h = L - slots it always shows. With
// probability `rate` it explores: its last `slots` places are drawn without replacement from the
// candidates h+1..n, in random order. So the candidate of rank r is shown with the probability
//   r <= h: 1       r > h: rate * slots / (n - h), and 1 - rate more if r <= L
// and if a place k is looked at with the probability k^-b (the position bias), it is seen with
//   r <= h: r^-b    r > h: rate / (n - h) * sum of k^-b over h < k <= L, and (1 - rate) r^-b more
//                          if r <= L
// Where all candidates are shown (n <= L) there is nothing to draw. Source: the position-based
// click model and its weighting are those of Joachims, Swaminathan and Schnabel 2017.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/learning/feedback.h"

namespace almagest {

inline constexpr uint32_t kExplorationSlotsMax = 100;
inline constexpr uint32_t kExplorationDepthMax = 1'000;

struct ExplorationPolicy {
  uint32_t slots = 0;   // 0: off; at most kExplorationSlotsMax.
  uint32_t depth = 30;  // So many candidates; 2 to kExplorationDepthMax.
  double rate = 0.1;    // 0 to 1.
  bool on() const { return slots > 0; }
};

// Which candidates a search shows, by index from 0, and in which order. `of` says how many there
// are, how many are shown and whether it explores. The same seed draws the same.
std::vector<size_t> DrawPlaces(const LoggedExploration& of, uint64_t seed);

// The rank of a candidate, from 1; 0 when it is none.
size_t CandidateRank(const LoggedExploration& log, const PointId& id);

// That the candidate of this rank, from 1, was seen; without position bias (0): that it was shown.
// 0 for other ranks. Cost: O(slots).
double SeenProbability(const LoggedExploration& log, size_t rank, double position_bias);

}  // namespace almagest
