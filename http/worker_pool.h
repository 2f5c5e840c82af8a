// Threads that run request handlers, so that a slow search never holds up the network. The queue is
// bounded: beyond it the server is overloaded and says so at once.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace almagest {

class WorkerPool {
 public:
  WorkerPool(unsigned threads, size_t queue_length_max);
  // Runs what is queued, then joins.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False, and `job` is dropped, when the queue is full. Jobs do not throw.
  bool Submit(std::function<void()> job);

 private:
  void Work();

  const size_t queue_length_max_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> queue_;  // Guarded by mutex_.
  bool stopping_ = false;                    // Guarded by mutex_.
  std::vector<std::thread> threads_;
};

}  // namespace almagest
