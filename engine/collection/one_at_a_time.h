// Work that many threads may ask for at once and one should do: each key has one turn at a time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>

#include "engine/types.h"

namespace almagest {

// Thread-safe. Outlives its turns.
template <class Key>
class OneAtATime {
 public:
  class Turn {
   public:
    Turn(OneAtATime& owner, Key key) : owner_(owner), key_(std::move(key)) {}
    ~Turn() {
      {
        const std::lock_guard lock(owner_.mutex_);
        owner_.taken_.erase(key_);
      }
      owner_.given_back_.notify_all();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    OneAtATime& owner_;
    const Key key_;
  };

  // Waits while another has the key's turn; nullptr where the deadline passes first. Who had to
  // wait looks again whether the work is still to be done.
  std::unique_ptr<Turn> Take(const Key& key, const Deadline& deadline = {}) {
    std::unique_lock lock(mutex_);
    while (taken_.contains(key)) {
      if (deadline.Expired()) return nullptr;
      given_back_.wait_for(lock, kBetweenLooks);
    }
    auto turn = std::make_unique<Turn>(*this, key);
    taken_.insert(key);
    return turn;
  }

 private:
  // How often one who waits looks at its deadline: nobody says when it is cancelled.
  static constexpr std::chrono::milliseconds kBetweenLooks{10};
  std::mutex mutex_;
  std::condition_variable given_back_;
  std::set<Key> taken_;
};

}  // namespace almagest
