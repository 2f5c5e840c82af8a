#include "engine/collection/optimizer_thread.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "storage/base/log.h"

namespace almagest {
namespace {

constexpr std::chrono::milliseconds kIdleWait{200};
constexpr std::chrono::seconds kBusyTime{1};
constexpr std::chrono::seconds kRetryAfter{10};
constexpr int kNiceness = 10;

}  // namespace

OptimizerThread::OptimizerThread(ListCollections list, double cpu_share)
    : list_(std::move(list)),
      cpu_share_(std::clamp(cpu_share, 0.05, 1.0)),
      thread_([this] { Run(); }) {}

OptimizerThread::~OptimizerThread() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void OptimizerThread::NoteRequest() {
  last_request_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
}

void OptimizerThread::Exclude(uint32_t collection_id) {
  {
    const std::lock_guard lock(mutex_);
    excluded_.push_back(collection_id);
  }
  wake_.notify_all();
}

void OptimizerThread::Release(uint32_t collection_id) {
  const std::lock_guard lock(mutex_);
  std::erase(excluded_, collection_id);
  retry_at_.erase(collection_id);
}

bool OptimizerThread::Stopped(uint32_t collection_id) {
  return stopping_ || std::ranges::find(excluded_, collection_id) != excluded_.end();
}

bool OptimizerThread::WaitFor(uint32_t collection_id, std::chrono::duration<double> time) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, time, [&] { return Stopped(collection_id); });
}

bool OptimizerThread::Throttle(uint32_t collection_id, double cpu_seconds) {
  const Clock::duration since(Clock::now().time_since_epoch().count() -
                              last_request_.load(std::memory_order_relaxed));
  const bool busy = since < kBusyTime;
  const double pause = busy ? std::min(1.0, cpu_seconds * (1 - cpu_share_) / cpu_share_) : 0;
  return WaitFor(collection_id, std::chrono::duration<double>(pause));
}

void OptimizerThread::Run() {
  // Linux counts niceness per thread.
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kNiceness);
  while (true) {
    bool worked = false;
    // Weak, so that a long step of one collection does not hold up the dropping of another.
    std::vector<std::weak_ptr<Collection>> listed;
    for (const auto& collection : list_()) listed.push_back(collection);
    for (const std::weak_ptr<Collection>& entry : listed) {
      const std::shared_ptr<Collection> collection = entry.lock();
      if (!collection) continue;
      const uint32_t id = collection->id();
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) return;
        if (Stopped(id)) continue;
        const auto retry = retry_at_.find(id);
        if (retry != retry_at_.end() && Clock::now() < retry->second) continue;
      }
      const auto done =
          collection->OptimizeOnce([&](double cpu_seconds) { return Throttle(id, cpu_seconds); });
      if (done) {
        worked = worked || *done;
        continue;
      }
      LogWarning("optimizing collection '" + collection->name() + "' failed; next try in " +
                 std::to_string(kRetryAfter.count()) + " s: " + done.error().message);
      const std::lock_guard lock(mutex_);
      retry_at_[id] = Clock::now() + kRetryAfter;
    }
    std::unique_lock lock(mutex_);
    if (worked && !stopping_) continue;
    if (wake_.wait_for(lock, kIdleWait, [&] { return stopping_; })) return;
  }
}

}  // namespace almagest
