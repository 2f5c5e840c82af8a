#include "storage/base/memory_limit.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace almagest {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kAgeMax{20};

std::atomic<uint64_t> limit_bytes{0};
std::atomic<uint64_t> used_bytes{0};
std::atomic<Clock::rep> asked_at{0};

// The value of "Name:   123 kB" in a status file of /proc, in bytes; 0 if it cannot be read.
uint64_t StatusBytes(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with(name)) continue;
    const size_t digits = line.find_first_of("0123456789");
    uint64_t kilobytes = 0;
    if (digits == std::string::npos) return 0;
    std::from_chars(line.data() + digits, line.data() + line.size(), kilobytes);
    return kilobytes * 1024;
  }
  return 0;
}

// The number in a file that holds nothing else; nullopt for "max", and where there is none.
std::optional<uint64_t> NumberIn(const std::filesystem::path& path) {
  std::ifstream file(path);
  uint64_t number = 0;
  return file >> number ? std::optional(number) : std::nullopt;
}

// The value of a line "name 123" of a group's memory.stat.
uint64_t GroupStatistic(const std::filesystem::path& path, std::string_view name) {
  std::ifstream file(path);
  std::string key;
  uint64_t value = 0;
  while (file >> key >> value) {
    if (key == name) return value;
  }
  return 0;
}

// What the group and those above it leave; nullopt where none has a limit.
std::optional<uint64_t> LeftInGroup() {
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  std::optional<uint64_t> left;
  while (std::getline(groups, line)) {
    if (!line.starts_with("0::/")) continue;
    const std::filesystem::path root = "/sys/fs/cgroup";
    for (std::filesystem::path path = root / line.substr(4);; path = path.parent_path()) {
      const auto limit = NumberIn(path / "memory.max");
      const auto used = NumberIn(path / "memory.current");
      if (limit && used) {
        const uint64_t cache = GroupStatistic(path / "memory.stat", "inactive_file");
        const uint64_t held = *used - std::min(*used, cache);
        left = std::min(left.value_or(UINT64_MAX), *limit - std::min(*limit, held));
      }
      if (path == root || !path.has_relative_path()) break;
    }
  }
  return left;
}

// The system lists the children of each thread.
uint64_t ChildrenBytes() {
  uint64_t bytes = 0;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::ifstream children(task.path() / "children");
    std::string child;
    while (children >> child) bytes += StatusBytes("/proc/" + child + "/status", "RssAnon:");
  }
  return bytes;
}

}  // namespace

void SetMemoryLimit(uint64_t bytes) { limit_bytes = bytes; }
uint64_t MemoryLimit() { return limit_bytes; }

uint64_t MemoryUsed() {
  const Clock::rep now = Clock::now().time_since_epoch().count();
  const Clock::rep before = asked_at.load();
  if (before != 0 && Clock::duration(now - before) < kAgeMax) return used_bytes;
  used_bytes = StatusBytes("/proc/self/status", "RssAnon:") + ChildrenBytes();
  asked_at = now;
  return used_bytes;
}

uint64_t MemoryAvailable() {
  const uint64_t system = StatusBytes("/proc/meminfo", "MemAvailable:");
  return std::min(system, LeftInGroup().value_or(UINT64_MAX));
}

Result<> AdmitMemory(uint64_t more) {
  const uint64_t limit = limit_bytes;
  if (limit == 0) return {};
  const uint64_t used = MemoryUsed();
  if (used + more <= limit) return {};
  constexpr uint64_t kMegabyte = 1 << 20;
  return Fail(ErrorCode::kResourceExhausted,
              "memory_limit is " + std::to_string(limit / kMegabyte) + " MiB, " +
                  std::to_string(used / kMegabyte) + " MiB are in use and this needs " +
                  std::to_string(more / kMegabyte + 1) + " MiB more");
}

}  // namespace almagest
