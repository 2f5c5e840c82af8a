// Reads the trainer's progress lines (docs/job-folder.md) into one picture of the whole job.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace almagest {

// Shares of a whole job, in order: exporting, what the trainer does, adding and activating.
inline constexpr double kExportShare = 0.05;
inline constexpr double kTrainerShareEnd = 0.95;

// Not thread-safe.
class JobProgress {
 public:
  // Takes one line of progress.jsonl, `seconds` after the trainer was started. Returns the line to
  // forward to clients (compact JSON), or nullopt when it is no object with an "event": such lines
  // are ignored.
  std::optional<std::string> Apply(std::string_view line, double seconds);

  const std::string& phase() const { return phase_; }
  // Of the whole job, kExportShare..kTrainerShareEnd; never goes back.
  double fraction() const { return fraction_; }
  // What the trainer gave as the reason of its failure; empty if it did not fail.
  const std::string& failure() const { return failure_; }

 private:
  void Advance(double low, double high, double part);

  std::string phase_;
  double fraction_ = kExportShare;
  std::optional<double> training_started_;
  std::string failure_;
};

// Seconds until a job ends that came to `fraction` in `elapsed_seconds`; 0 while it is too early
// to say.
double EstimateRest(double fraction, double elapsed_seconds);

}  // namespace almagest
