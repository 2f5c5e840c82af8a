// How long the searches of a collection take at present. Short ones are answered on the network
// thread: handing a request to a worker and back takes 15 to 20 us of processor time, as much as
// searching 60,000 points.
//
// A collection's typical time follows the median of its searches: it goes up by an eighth at a
// longer one and down by an eighth at a shorter one, so that a thread that lost its core now and
// then says little, and a dozen slow ones (whose pages come from a disk, say) say enough.
//
// Thread safety: all functions may be called from any thread; no locks.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "storage/base/ids.h"

namespace almagest {

class SearchPace {
 public:
  // Searches of at most so long are short.
  explicit SearchPace(std::chrono::nanoseconds short_max) : short_max_(short_max) {}

  // Whether the next one may be expected to be short. Not before one was noted.
  bool IsShort(CollectionId collection) const;
  void Note(CollectionId collection, std::chrono::nanoseconds time);
  // A search of a kind that is never answered at once. A collection that has mostly these is spared
  // the reading of requests on the network thread in vain.
  void NoteOther(CollectionId collection) { Note(collection, 2 * short_max_); }

 private:
  const std::chrono::nanoseconds short_max_;
  // 0: none yet. Two collections in one place are taken for one.
  std::array<std::atomic<int64_t>, 1024> typical_ns_{};
};

}  // namespace almagest
