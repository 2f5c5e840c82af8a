#include "http/rate_limiter.h"

#include <algorithm>
#include <cmath>

namespace almagest {

std::optional<RateLimiter::Refusal> RateLimiter::Take(CollectionId collection, Kind kind,
                                                      uint64_t per_minute, uint64_t cost,
                                                      Clock::time_point now) {
  const auto capacity = static_cast<double>(per_minute);
  const auto wanted = static_cast<double>(cost);
  const std::lock_guard lock(mutex_);
  Bucket& bucket = buckets_[{collection, kind}];
  if (bucket.per_minute != per_minute) bucket = {per_minute, capacity, now};
  const double minutes = std::chrono::duration<double>(now - bucket.filled).count() / 60;
  bucket.tokens = std::min(capacity, bucket.tokens + std::max(0.0, minutes) * capacity);
  bucket.filled = std::max(bucket.filled, now);
  if (wanted <= bucket.tokens) {
    bucket.tokens -= wanted;
    return std::nullopt;
  }
  const double missing = std::min(wanted, capacity) - bucket.tokens;
  const double seconds = std::ceil(missing / capacity * 60);
  return Refusal{bucket.tokens, static_cast<uint64_t>(std::max(1.0, seconds))};
}

}  // namespace almagest
