// Fusion of ranked lists.
//   RRF   Cormack, Clarke & Buettcher, SIGIR 2009, with Qdrant's weights and zero-based ranks:
//         sum over lists of 1 / ((rank + 1) / weight + k - 1)
//   DBSF  distribution-based score fusion: (x - (mean - 3 sd)) / (6 sd) per list, then summed; a
//         list of one score, or of equal scores, gives 0.5.
#pragma once

#include <span>
#include <vector>

#include "engine/query.h"
#include "engine/search/ranked_slots.h"

namespace almagest {

// Every list best first, each slot at most once per list. Returns the union, best first. `weights`
// has one value from 0 per list or is empty. Pure; O(total log total).
std::vector<RankedSlot> FuseReciprocalRanks(std::span<const std::vector<RankedSlot>> lists,
                                            double k, std::span<const double> weights);
std::vector<RankedSlot> FuseByDistribution(std::span<const std::vector<RankedSlot>> lists);

}  // namespace almagest
