// Remembers what searches returned, so that feedback can refer to a search by id. Memory only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/learning/feedback.h"

namespace almagest {

// Of what a search returned, only the first results are kept: nobody clicks further down.
inline constexpr size_t kLoggedResultsMax = 1'000;

// A bounded log: the oldest entries make room for a new one, so an id stays valid for `capacity`
// further searches at most, and for fewer where entries are large. Thread-safe.
class QueryLog {
 public:
  // At most `capacity` entries of at most `bytes_max` together (the newest is kept in any case).
  QueryLog(size_t capacity, size_t bytes_max);

  // Returns a fresh id of 32 hex digits: 128 bits from the kernel's random source, so that nobody
  // can name a search that was not theirs by guessing. Cost: two allocations, and a system call
  // for every 32 ids of a thread.
  std::string Remember(uint32_t collection_id, LoggedQuery query);

  // nullptr when the id is malformed, unknown, forgotten or belongs to another collection.
  std::shared_ptr<const LoggedQuery> Find(uint32_t collection_id, std::string_view id) const;

  // The newest queries of one dense field, newest first, at most `max`. Cost: O(entries).
  std::vector<std::shared_ptr<const LoggedQuery>> Newest(uint32_t collection_id,
                                                         std::string_view vector_name,
                                                         size_t max) const;

  void ForgetCollection(uint32_t collection_id);
  size_t size() const;

 private:
  using Key = std::array<uint64_t, 2>;
  struct KeyHash {
    // The key is random already.
    size_t operator()(const Key& key) const { return static_cast<size_t>(key[0]); }
  };
  struct Entry {
    uint32_t collection_id = 0;
    size_t bytes = 0;
    std::shared_ptr<const LoggedQuery> query;
  };
  static std::optional<Key> ParseId(std::string_view id);
  void DropOldest();  // Under mutex_.

  const size_t capacity_;
  const size_t bytes_max_;
  mutable std::mutex mutex_;
  size_t bytes_ = 0;  // Of all entries.
  std::unordered_map<Key, Entry, KeyHash> entries_;
  std::deque<Key> order_;  // Oldest first; exactly the keys of entries_.
};

}  // namespace almagest
