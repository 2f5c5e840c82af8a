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
  } else {
    size_t entries = 0;
    for (const auto& list : lists) entries += list.size();
    merged.reserve(entries);
    // Newest first, so that the stable sort leaves the newest entry of a slot before the others.
    for (auto list = lists.rbegin(); list != lists.rend(); ++list) {
      merged.insert(merged.end(), list->begin(), list->end());
    }
    std::stable_sort(merged.begin(), merged.end(),
                     [](const RankedSlot& a, const RankedSlot& b) { return a.slot < b.slot; });
    const auto same_slot = [](const RankedSlot& a, const RankedSlot& b) {
      return a.slot == b.slot;
    };
    merged.erase(std::unique(merged.begin(), merged.end(), same_slot), merged.end());
  }
  // The list of a single segment is in order, but for rows of equal scores.
  if (!std::ranges::is_sorted(merged, RanksBefore)) std::ranges::sort(merged, RanksBefore);
  if (merged.size() > k) merged.resize(k);
  return merged;
}

}  // namespace almagest
