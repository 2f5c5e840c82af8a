#include "engine/collection/step_throttle.h"

#include <time.h>

namespace almagest {
namespace {

double ThreadCpuSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

StepThrottle::StepThrottle(std::function<bool(double)> callback)
    : callback_(std::move(callback)), last_cpu_seconds_(ThreadCpuSeconds()) {}

bool StepThrottle::Continue(uint32_t threads) {
  if (stopped_) return false;
  if (!callback_) return true;
  const double spent = ThreadCpuSeconds() - last_cpu_seconds_;
  stopped_ = !callback_(spent * threads);
  last_cpu_seconds_ = ThreadCpuSeconds();  // Not what the callback itself took.
  return !stopped_;
}

Result<> StepThrottle::Check() {
  if (Continue()) return {};
  return Fail(ErrorCode::kTimeout, "the optimizer step was stopped");
}

}  // namespace almagest
