// A one-line progress bar with rate and time left, drawn on standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace almagest::client {

// On a terminal the line is redrawn at most ten times a second; elsewhere (a log file, a pipe) one
// line is written every ten seconds and one at the end. Not thread-safe.
class ProgressBar {
 public:
  // total 0: unknown (a count and a rate are shown). `unit` is a plural, "points".
  ProgressBar(std::string label, uint64_t total, std::string unit);
  // Ends the line if Finish was not called (an exception passes through).
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Set(uint64_t done, std::string_view note = {});
  void Finish(std::string_view note = {});
  double Seconds() const;

 private:
  void Draw(bool last);

  std::string label_;
  uint64_t total_;
  std::string unit_;
  std::string note_;
  uint64_t done_ = 0;
  bool finished_ = false;
  bool terminal_;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point drawn_;
};

// "[#######.....]" of `width` cells; fraction is clamped to 0..1.
std::string BarText(double fraction, int width);
// "45 s", "3:07", "1:02:07".
std::string DurationText(double seconds);
// Whether standard error is a terminal.
bool ShowsOnTerminal();
// Keeps one status line up to date: overwritten on a terminal, one line each elsewhere.
void ShowStatusLine(std::string_view text, bool last);

}  // namespace almagest::client
