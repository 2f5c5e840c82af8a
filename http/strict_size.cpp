#include "http/strict_size.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "engine/collection/segment.h"

namespace almagest {

uint64_t VectorBytes(const Collection& collection, const CollectionConfig& config) {
  uint64_t bytes = 0;
  const auto view = collection.view();
  for (const auto& [name, dense] : config.dense) {
    if (dense.multi) {
      const auto field = collection.FindField(name);
      for (const auto& segment : view->segments) {
        const MultiRows* rows = field ? segment->multi(field->id) : nullptr;
        if (rows != nullptr) bytes += rows->value_count() * sizeof(float);
      }
      continue;
    }
    Filter filter;
    filter.must.push_back(HasVectorCondition{name});
    const auto points = collection.MatchingSlots(filter, Deadline());
    if (points) bytes += points->size() * dense.dimension * sizeof(float);
  }
  return bytes;
}

std::optional<uint64_t> ResidentMemoryPercent() {
  uint64_t pages = 0;
  uint64_t resident = 0;
  if (!(std::ifstream("/proc/self/statm") >> pages >> resident)) return std::nullopt;
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t total = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * page;
  uint64_t group = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> group) total = std::min(total, group);
  if (total == 0) return std::nullopt;
  return resident * page * 100 / total;
}

}  // namespace almagest
