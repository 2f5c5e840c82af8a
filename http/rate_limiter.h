// How many operations a collection still takes in this minute (strict mode's rate limits).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "storage/base/ids.h"

namespace almagest {

// A token bucket per collection and kind: it holds as many tokens as the limit allows operations in
// a minute, starts full and fills evenly. A changed limit starts a new bucket.
//
// Thread safety: all functions may be called from any thread.
class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Kind : uint8_t { kRead, kWrite };
  struct Refusal {
    double available = 0;              // Tokens left.
    uint64_t retry_after_seconds = 1;  // Until there are enough, if there ever can be.
  };

  // Takes `cost` tokens, or says why not and takes none.
  std::optional<Refusal> Take(CollectionId collection, Kind kind, uint64_t per_minute,
                              uint64_t cost, Clock::time_point now = Clock::now());

 private:
  struct Bucket {
    uint64_t per_minute = 0;
    double tokens = 0;
    Clock::time_point filled;
  };
  std::mutex mutex_;
  std::map<std::pair<CollectionId, Kind>, Bucket> buckets_;
};

}  // namespace almagest
