#include "client/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace almagest::client {
namespace {

using std::chrono::steady_clock;

constexpr int kBarCells = 24;
constexpr std::chrono::milliseconds kTerminalInterval{100};
constexpr std::chrono::seconds kLogInterval{10};
constexpr const char* kClearLine = "\r\033[K";

}  // namespace

bool ShowsOnTerminal() { return isatty(STDERR_FILENO) != 0; }

std::string BarText(double fraction, int width) {
  const double clamped = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
  const int filled = static_cast<int>(clamped * width);
  return "[" + std::string(static_cast<size_t>(filled), '#') +
         std::string(static_cast<size_t>(width - filled), '.') + "]";
}

std::string DurationText(double seconds) {
  const long whole = std::max(0L, std::lround(seconds));
  char text[48];
  if (whole < 60) {
    std::snprintf(text, sizeof(text), "%ld s", whole);
  } else if (whole < 3600) {
    std::snprintf(text, sizeof(text), "%ld:%02ld", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof(text), "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return text;
}

void ShowStatusLine(std::string_view text, bool last) {
  const std::string line(text);
  if (ShowsOnTerminal()) {
    std::fprintf(stderr, "%s%s%s", kClearLine, line.c_str(), last ? "\n" : "");
    std::fflush(stderr);
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

ProgressBar::ProgressBar(std::string label, uint64_t total, std::string unit)
    : label_(std::move(label)),
      total_(total),
      unit_(std::move(unit)),
      terminal_(ShowsOnTerminal()),
      start_(steady_clock::now()),
      drawn_(start_) {}

ProgressBar::~ProgressBar() {
  if (!finished_ && terminal_) std::fputc('\n', stderr);
}

double ProgressBar::Seconds() const {
  return std::chrono::duration<double>(steady_clock::now() - start_).count();
}

void ProgressBar::Set(uint64_t done, std::string_view note) {
  done_ = done;
  note_ = note;
  const auto now = steady_clock::now();
  const auto interval = terminal_ ? std::chrono::milliseconds(kTerminalInterval)
                                  : std::chrono::milliseconds(kLogInterval);
  if (now - drawn_ < interval) return;
  drawn_ = now;
  Draw(false);
}

void ProgressBar::Finish(std::string_view note) {
  note_ = note;
  finished_ = true;
  Draw(true);
}

void ProgressBar::Draw(bool last) {
  const double seconds = std::max(Seconds(), 1e-3);
  const double rate = static_cast<double>(done_) / seconds;
  char numbers[128];
  if (total_ > 0) {
    const bool known = rate > 0;
    const double left = known && done_ < total_ ? static_cast<double>(total_ - done_) / rate : 0;
    const std::string time = last    ? DurationText(seconds)
                             : known ? DurationText(left) + " left"
                                     : DurationText(seconds) + " so far";
    std::snprintf(numbers, sizeof(numbers), "%llu/%llu %s, %.0f/s, %s",
                  static_cast<unsigned long long>(done_), static_cast<unsigned long long>(total_),
                  unit_.c_str(), rate, time.c_str());
  } else {
    std::snprintf(numbers, sizeof(numbers), "%llu %s, %.0f/s",
                  static_cast<unsigned long long>(done_), unit_.c_str(), rate);
  }
  std::string line = label_ + " ";
  if (total_ > 0) {
    line += BarText(static_cast<double>(done_) / static_cast<double>(total_), kBarCells) + " ";
  }
  line += numbers;
  if (!note_.empty()) line += " " + note_;
  ShowStatusLine(line, last);
}

}  // namespace almagest::client
