// The limit on the memory of the whole process and its children (the trainer), for who would take
// more: caches, growing segments, index builds and the trainer share one limit, so what counts is
// what the system says they hold. Mapped files do not count: the system takes their pages back.
//
// Process-wide on purpose: there is one such sum. Thread-safe.
#pragma once

#include <cstdint>

#include "storage/base/result.h"

namespace almagest {

// 0 (as at the start): no limit.
void SetMemoryLimit(uint64_t bytes);
uint64_t MemoryLimit();

// Anonymous resident bytes of this process and, whole, of its children. At most 20 ms old; a few
// tens of microseconds when it has to ask.
uint64_t MemoryUsed();

// What the system could still give this process without swapping, by what it says itself and by the
// control group (cgroup v2) that the process is in. Page cache counts as available. 0 if unknown.
uint64_t MemoryAvailable();

// kResourceExhausted naming use and limit when `more` bytes would pass the limit.
Result<> AdmitMemory(uint64_t more);

}  // namespace almagest
