#include "engine/search/ranked_slots.h"

namespace almagest {

std::vector<RankedSlot> Ranked(const std::unordered_map<Slot, float>& scores) {
  std::vector<RankedSlot> ranked;
  ranked.reserve(scores.size());
  for (const auto& [slot, score] : scores) ranked.push_back({slot, score});
  std::sort(ranked.begin(), ranked.end(), RanksBefore);
  return ranked;
}

std::vector<RankedSlot> MergeSegments(std::vector<std::vector<RankedSlot>> lists, size_t k) {
  std::vector<RankedSlot> merged;
  if (lists.size() == 1) {
    merged = std::move(lists.front());
    std::sort(merged.begin(), merged.end(), RanksBefore);
  } else {
    std::unordered_map<Slot, float> newest;
    for (const auto& list : lists) {
      for (const RankedSlot& entry : list) newest[entry.slot] = entry.score;
    }
    merged = Ranked(newest);
  }
  if (merged.size() > k) merged.resize(k);
  return merged;
}

}  // namespace almagest
