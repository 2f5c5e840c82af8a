#include "training/query_changes.h"

#include <algorithm>
#include <cmath>

#include "storage/base/check.h"

namespace almagest::training {

QueryChanges FindQueryChanges(std::span<const JudgedQuery> held_out, std::span<const double> active,
                              std::span<const double> trained) {
  ALMAGEST_CHECK(active.size() == held_out.size() && trained.size() == held_out.size());
  QueryChanges changes;
  for (size_t i = 0; i < held_out.size(); ++i) {
    const QueryChange change = {held_out[i].query, active[i], trained[i]};
    const double difference = trained[i] - active[i];
    if (difference > kUnchanged) {
      changes.won_most.push_back(change);
    } else if (difference < -kUnchanged) {
      changes.lost_most.push_back(change);
    } else {
      ++changes.unchanged;
    }
  }
  changes.won = changes.won_most.size();
  changes.lost = changes.lost_most.size();
  for (auto* list : {&changes.won_most, &changes.lost_most}) {
    std::sort(list->begin(), list->end(), [](const QueryChange& a, const QueryChange& b) {
      const double by_a = std::abs(a.trained - a.active);
      const double by_b = std::abs(b.trained - b.active);
      return by_a != by_b ? by_a > by_b : a.query < b.query;
    });
    list->resize(std::min(list->size(), kQueryChangesMax));
  }
  return changes;
}

}  // namespace almagest::training
