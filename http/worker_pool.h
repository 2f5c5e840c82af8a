// Threads that run request handlers, so that a slow search never holds up the network. The queue is
// bounded: beyond it the server is overloaded and says so at once.
//
// Thread safety: every function may be called from any thread.
#pragma once

#include <semaphore.h>

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
  // A semaphore that sleeps at once. std::binary_semaphore gives its core away some times first,
  // which costs more than it saves.
  class Signal {
   public:
    Signal() { sem_init(&semaphore_, /*pshared=*/0, 0); }
    ~Signal() { sem_destroy(&semaphore_); }
    void Release() { sem_post(&semaphore_); }
    void Acquire() {
      while (sem_wait(&semaphore_) != 0) {  // A signal handler ran.
      }
    }

   private:
    sem_t semaphore_;
  };
  // An idle one is handed its next job directly: a condition variable would wake it only to wait
  // for the queue's mutex, which is most of what a short job costs.
  struct Worker {
    std::function<void()> job;  // Given with the signal; none means the end.
    Signal signal;
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
