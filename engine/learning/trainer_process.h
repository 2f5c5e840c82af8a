// One run of almagest-trainer as a child process on a job folder.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "storage/base/result.h"

namespace almagest {

struct TrainerOptions {
  std::filesystem::path executable;
  std::filesystem::path job_folder;
  unsigned threads = 2;
  // Between SIGTERM and SIGKILL when cancelled.
  std::chrono::milliseconds grace{5'000};
};

struct TrainerExit {
  bool succeeded = false;  // Exited with status 0.
  bool cancelled = false;  // Ended because `cancel` was set.
  // One sentence when it did not succeed: the signal or status, and the last thing it said.
  std::string reason;
};

// Runs `executable --job FOLDER --threads N` to its end. Standard output and error go to
// FOLDER/trainer.log; every complete line of FOLDER/progress.jsonl is passed to `on_line`, on the
// calling thread, within about 100 ms. Setting `cancel` sends SIGTERM, and SIGKILL after `grace`.
//
// The child runs at low priority (nice 5), is the kernel's first choice when memory runs out, and
// is killed when the calling thread ends: call from a thread that lives as long as the server.
// kFailedPrecondition when the executable is missing or cannot be started.
Result<TrainerExit> RunTrainer(const TrainerOptions& options, const std::atomic<bool>& cancel,
                               const std::function<void(const std::string& line)>& on_line);

// kFailedPrecondition, naming the path, unless it is a file that may be executed. An empty path
// stands for a server that was started without a trainer.
Result<> CheckTrainerExecutable(const std::filesystem::path& executable);

}  // namespace almagest
