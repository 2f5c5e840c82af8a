// Seeded values for property tests: the same on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "storage/base/checksum.h"

namespace almagest {

// `count` values, uniform in [-1, 1).
inline std::vector<float> RandomFloats(size_t count, uint64_t seed) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t bits = Mix64(Mix64(seed) + i) >> 40;  // 24 bits: exact in a float.
    values[i] = static_cast<float>(bits) / static_cast<float>(1 << 23) - 1.0f;
  }
  return values;
}

}  // namespace almagest
