#include "tests/fuzz/coverage.h"

#include <bit>

namespace {

uint8_t g_counts[almagest::Coverage::kPlaces];
uintptr_t g_previous = 0;

}  // namespace

// Called by instrumented code at every basic block. This file is not instrumented itself.
extern "C" void __sanitizer_cov_trace_pc() {
  const auto place = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  const uintptr_t mixed = (place ^ (place >> 16)) * 0x9E3779B97F4A7C15u;
  uint8_t& count = g_counts[((mixed >> 40) ^ g_previous) % almagest::Coverage::kPlaces];
  if (count < 255) ++count;
  g_previous = (mixed >> 41);
}

namespace almagest {

void Coverage::Start() {
  for (uint8_t& count : g_counts) count = 0;
  g_previous = 0;
}

bool Coverage::TookNewWay() {
  bool is_new = false;
  for (size_t i = 0; i < kPlaces; ++i) {
    if (g_counts[i] == 0) continue;
    // 1, 2 to 3, 4 to 7, ... 128 to 255 times.
    const auto bit = static_cast<uint8_t>(std::bit_floor(g_counts[i]));
    if ((seen_[i] & bit) != 0) continue;
    if (seen_[i] == 0) ++known_;
    seen_[i] |= bit;
    is_new = true;
  }
  return is_new;
}

}  // namespace almagest
