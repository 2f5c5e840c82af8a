#include "http/search_pace.h"

#include <algorithm>

namespace almagest {

bool SearchPace::IsShort(CollectionId collection) const {
  const int64_t typical =
      typical_ns_[collection % typical_ns_.size()].load(std::memory_order_relaxed);
  return typical != 0 && typical <= short_max_.count();
}

void SearchPace::Note(CollectionId collection, std::chrono::nanoseconds time) {
  constexpr int64_t kLowest = 1'000;                                  // Steps stay above zero.
  const int64_t highest = std::max(kLowest, 2 * short_max_.count());  // Not far to come back from.
  std::atomic<int64_t>& place = typical_ns_[collection % typical_ns_.size()];
  // Of two threads that note at once one may be lost, which does no harm.
  const int64_t before = place.load(std::memory_order_relaxed);
  int64_t after = time.count();
  if (before != 0) after = time.count() > before ? before + before / 8 : before - before / 8;
  place.store(std::clamp(after, kLowest, highest), std::memory_order_relaxed);
}

}  // namespace almagest
