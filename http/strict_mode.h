// Strict mode: what a request of a collection with `strict_mode_config` may ask for. One place for
// all routes, looking at bodies before the handlers do; requests of other collections cost a look
// at their configuration.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "http/http_message.h"
#include "http/json_reader.h"
#include "http/rate_limiter.h"
#include "http/service.h"

namespace almagest {

struct StrictRefusal {
  Error error;                                  // In Qdrant's words.
  std::optional<uint64_t> retry_after_seconds;  // Of rate limits.
};

// Thread safety: Check may be called from any thread.
class StrictMode {
 public:
  // nullopt: the handler may have the request. That is also the answer where the collection or the
  // body cannot be read: the handler says so.
  std::optional<StrictRefusal> Check(Service& service, const HttpRequest& request);

 private:
  Result<> CheckWrite(const JsonValue& body, std::string_view call, const Collection& collection,
                      const CollectionConfig& config);
  Result<> CheckSize(const Collection& collection, const CollectionConfig& config);
  uint64_t PayloadBytes(const Collection& collection);
  std::optional<StrictRefusal> CheckRate(const StrictModeConfig& strict, CollectionId collection,
                                         bool is_write, uint64_t cost);

  // The size of a collection's payloads is estimated from a sample, now and then.
  struct Estimate {
    uint64_t bytes = 0;
    int uses_left = 0;
  };

  RateLimiter limiter_;
  std::mutex mutex_;
  std::map<CollectionId, Estimate> estimates_;
};

}  // namespace almagest
