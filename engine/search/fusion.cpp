#include "engine/search/fusion.h"

#include <cmath>
#include <unordered_map>

namespace almagest {
std::vector<RankedSlot> FuseReciprocalRanks(std::span<const std::vector<RankedSlot>> lists,
                                            double k, std::span<const double> weights) {
  // float32 sums, as Qdrant's, so that equal inputs print equal scores.
  std::unordered_map<Slot, float> scores;
  for (size_t i = 0; i < lists.size(); ++i) {
    const float weight = weights.empty() ? 1.0f : static_cast<float>(weights[i]);
    for (size_t rank = 0; rank < lists[i].size(); ++rank) {
      const float stretched = static_cast<float>(rank + 1) / weight;  // Infinite at weight 0.
      scores[lists[i][rank].slot] += 1.0f / (stretched + static_cast<float>(k) - 1.0f);
    }
  }
  return Ranked(scores);
}

std::vector<RankedSlot> FuseByDistribution(std::span<const std::vector<RankedSlot>> lists) {
  std::unordered_map<Slot, float> scores;
  for (const auto& list : lists) {
    if (list.empty()) continue;
    double mean = 0;
    for (const RankedSlot& entry : list) mean += entry.score;
    mean /= static_cast<double>(list.size());
    double squares = 0;
    for (const RankedSlot& entry : list) squares += (entry.score - mean) * (entry.score - mean);
    const double deviation =
        list.size() > 1 ? std::sqrt(squares / static_cast<double>(list.size() - 1)) : 0.0;
    for (const RankedSlot& entry : list) {
      const double normalised =
          deviation > 0 ? (entry.score - (mean - 3 * deviation)) / (6 * deviation) : 0.5;
      scores[entry.slot] += static_cast<float>(normalised);
    }
  }
  return Ranked(scores);
}

}  // namespace almagest
