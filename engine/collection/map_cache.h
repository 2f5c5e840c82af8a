// Matrices of adapter versions that searches asked for lately, bounded by their bytes: of a
// thousand versions only those in use are in memory.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <mutex>

namespace almagest {

// Forgets what was not asked for longest when there is more than `bytes_max`; the entry that came
// last stays in any case. What was handed out lives on with its users. Thread-safe.
template <class Key, class Value>
class MapCache {
 public:
  explicit MapCache(size_t bytes_max) : bytes_max_(bytes_max) {}

  std::shared_ptr<const Value> Find(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second.place);
    return found->second.value;
  }

  // Returns what is known under the key: two threads may have made the same.
  std::shared_ptr<const Value> Add(const Key& key, std::shared_ptr<const Value> value,
                                   size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto [at, is_new] = entries_.try_emplace(key);
    if (!is_new) return at->second.value;
    order_.push_front(key);
    at->second = {std::move(value), bytes, order_.begin()};
    bytes_ += bytes;
    const std::shared_ptr<const Value> added = at->second.value;
    while (bytes_ > bytes_max_ && order_.size() > 1) {
      const auto oldest = entries_.find(order_.back());
      bytes_ -= oldest->second.bytes;
      entries_.erase(oldest);
      order_.pop_back();
    }
    return added;
  }

  size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }

 private:
  struct Entry {
    std::shared_ptr<const Value> value;
    size_t bytes = 0;
    typename std::list<Key>::iterator place;
  };
  const size_t bytes_max_;
  mutable std::mutex mutex_;
  size_t bytes_ = 0;
  std::list<Key> order_;  // Asked for last first.
  std::map<Key, Entry> entries_;
};

}  // namespace almagest
