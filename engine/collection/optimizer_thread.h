// The one background thread that optimizes all collections in turn, at low priority and within a
// CPU budget.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/collection/collection.h"

namespace almagest {

class OptimizerThread {
 public:
  using ListCollections = std::function<std::vector<std::shared_ptr<Collection>>()>;

  // While requests arrive, takes at most `cpu_share` (0.05..1) of one core; all of it otherwise.
  // `list` is called from the thread.
  OptimizerThread(ListCollections list, double cpu_share);
  // Aborts the running step (which leaves no trace) and joins.
  ~OptimizerThread();

  // A request came in: the budget holds for a second from now. Wait-free.
  void NoteRequest();
  // Aborts a running step of this collection and does no more of them until Release. The caller
  // then waits for the last user of the collection to go.
  void Exclude(uint32_t collection_id);
  void Release(uint32_t collection_id);

 private:
  using Clock = std::chrono::steady_clock;
  void Run();
  bool Throttle(uint32_t collection_id, double cpu_seconds);
  bool Stopped(uint32_t collection_id);
  // False when it is time to stop.
  bool WaitFor(uint32_t collection_id, std::chrono::duration<double> time);

  const ListCollections list_;
  const double cpu_share_;
  std::atomic<Clock::rep> last_request_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::vector<uint32_t> excluded_;
  std::map<uint32_t, Clock::time_point> retry_at_;  // Collections whose last step failed.
  std::thread thread_;
};

}  // namespace almagest
