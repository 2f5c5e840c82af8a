// progress.jsonl: what a running job tells the server, one JSON object a line (docs/job-folder.md).
#pragma once

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/result.h"

namespace almagest::training {

// Called from long loops with the fraction done, 0..1.
using Tick = std::function<void(double fraction)>;

struct StepEvent {
  int64_t step = 0;
  int64_t steps = 0;  // An upper bound: validation may stop earlier.
  double loss = 0;
  double validation_ndcg_at_10 = 0;  // Of the latest validation.
  double eta_seconds = 0;            // For the training of all candidates, at the present pace.
};

// Thread-safe: the signal watcher writes its last line beside the training thread. Each line is
// flushed. Phase and step lines are thinned to about four a second; a phase's first and last line
// and the final events always appear. A write that fails (disk full) is ignored: progress is a
// courtesy, the report is the result.
class Progress {
 public:
  // Truncates the file.
  static Result<std::unique_ptr<Progress>> Open(const std::filesystem::path& path);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Starts a phase, ending the one before; its wall time goes into Seconds().
  void Phase(const std::string& name);
  void Fraction(double fraction);
  void Step(const StepEvent& event);
  void Done();
  void Failed(const std::string& reason);

  Tick MakeTick() {
    return [this](double fraction) { Fraction(fraction); };
  }
  double ElapsedSeconds() const;
  int64_t steps();  // Of all trainings so far.
  // (phase, seconds) in order of first appearance; the running phase is included.
  std::vector<std::pair<std::string, double>> Seconds();

 private:
  using Clock = std::chrono::steady_clock;
  explicit Progress(std::FILE* file) : file_(file), started_(Clock::now()) {}
  void WriteLine(const std::string& line);
  void ClosePhase();
  bool Due();

  std::mutex mutex_;
  std::FILE* file_;
  Clock::time_point started_;
  Clock::time_point phase_started_;
  Clock::time_point last_line_;
  std::string phase_;
  int64_t steps_ = 0;
  std::vector<std::pair<std::string, double>> seconds_;
};

}  // namespace almagest::training
