// Ties a long optimizer step to whoever pays for its CPU time.
#pragma once

#include <functional>

#include "storage/base/result.h"

namespace almagest {

// Not thread-safe: lives on the thread that does the step.
class StepThrottle {
 public:
  // `callback` gets the CPU seconds of this thread since the last call, may delay the step, and
  // stops it by returning false.
  explicit StepThrottle(std::function<bool(double cpu_seconds)> callback);
  // Call after every piece of work of some milliseconds. False: stop.
  // `threads`: how many have worked as much as this one meanwhile, this one among them.
  bool Continue(uint32_t threads = 1);
  // The same as a Result: kTimeout once stopped.
  Result<> Check();
  bool stopped() const { return stopped_; }

 private:
  std::function<bool(double)> callback_;
  double last_cpu_seconds_ = 0;
  bool stopped_ = false;
};

}  // namespace almagest
