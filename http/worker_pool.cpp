#include "http/worker_pool.h"

#include <utility>

#include "storage/base/check.h"

namespace almagest {

WorkerPool::WorkerPool(unsigned threads, size_t queue_length_max)
    : queue_length_max_(queue_length_max) {
  ALMAGEST_CHECK(threads > 0);
  for (unsigned i = 0; i < threads; ++i) {
    Worker& worker = workers_.emplace_back();
    worker.thread = std::thread([this, &worker] { Work(worker); });
  }
}

WorkerPool::~WorkerPool() {
  std::vector<Worker*> idle;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    idle.swap(idle_);
  }
  for (Worker* worker : idle) worker->signal.Release();
  for (Worker& worker : workers_) worker.thread.join();
}

bool WorkerPool::Submit(std::function<void()> job) {
  Worker* woken = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) {
      if (queue_.size() >= queue_length_max_) return false;
      queue_.push_back(std::move(job));
      return true;
    }
    woken = idle_.back();
    idle_.pop_back();
    woken->job = std::move(job);
  }
  woken->signal.Release();
  return true;
}

void WorkerPool::Work(Worker& self) {
  while (true) {
    std::function<void()> job;
    {
      const std::lock_guard lock(mutex_);
      if (!queue_.empty()) {
        job = std::move(queue_.front());
        queue_.pop_front();
      } else if (stopping_) {
        return;
      } else {
        idle_.push_back(&self);
      }
    }
    if (!job) {
      self.signal.Acquire();
      job = std::exchange(self.job, nullptr);
      if (!job) return;
    }
    job();
  }
}

}  // namespace almagest
