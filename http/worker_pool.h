// Threads that run request handlers, so that a slow search never holds up the network. The queue is
// bounded: beyond it the server is overloaded and says so at once.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <semaphore>
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
  // An idle one is handed its next job directly: a condition variable would wake it only to wait
  // for the queue's mutex, which is most of what a short job costs.
  struct Worker {
    std::function<void()> job;  // Given with the signal; none means the end.
    std::binary_semaphore signal{0};
    std::thread thread;
  };
  void Work(Worker& self);

  const size_t queue_length_max_;
  std::mutex mutex_;
  std::deque<std::function<void()>> queue_;  // Guarded by mutex_. Empty while a worker is idle.
  std::vector<Worker*> idle_;  // Guarded by mutex_. The last comes first: its caches are warm.
  bool stopping_ = false;      // Guarded by mutex_.
  std::deque<Worker> workers_;
};

}  // namespace almagest
