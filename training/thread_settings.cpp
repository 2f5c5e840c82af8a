#include "training/thread_settings.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace almagest::training {

void RestartWithThreads(int64_t threads, char** argv) {
  constexpr char kRestarted[] = "ALMAGEST_TRAINER_RESTARTED";
  if (std::getenv(kRestarted) != nullptr) return;
  const std::string count = std::to_string(threads);
  setenv(kRestarted, "1", 1);
  setenv("OPENBLAS_NUM_THREADS", count.c_str(), 1);
  setenv("OMP_NUM_THREADS", count.c_str(), 1);
  setenv("OMP_WAIT_POLICY", "passive", 1);
  setenv("OPENBLAS_THREAD_TIMEOUT", "4", 1);  // 2^4 cycles of spinning, the least it takes.
  execv("/proc/self/exe", argv);
}

}  // namespace almagest::training
