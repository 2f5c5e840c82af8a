// Follows a text file that another process appends to, line by line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace almagest {

inline constexpr size_t kTailLineBytesMax = 64 << 10;

// Not thread-safe. A file that does not exist yet has no lines.
class LineTail {
 public:
  explicit LineTail(std::filesystem::path path) : path_(std::move(path)) {}

  // Passes on every complete line (without its '\n') that appeared since the last call. An
  // unfinished line waits; lines longer than kTailLineBytesMax are skipped, so that a trainer
  // gone wild cannot fill our memory.
  void Read(const std::function<void(const std::string& line)>& on_line);

 private:
  std::filesystem::path path_;
  uint64_t offset_ = 0;
  std::string unfinished_;
  bool skipping_ = false;  // Inside a line that is too long.
};

}  // namespace almagest
