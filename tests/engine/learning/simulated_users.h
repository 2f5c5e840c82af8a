// What simulated users of searches that explore are made of.
#pragma once

#include <cstdint>

#include "engine/learning/feedback.h"
#include "storage/base/checksum.h"

namespace almagest {

// Numbers from 0 to below 1.
class Coins {
 public:
  explicit Coins(uint64_t seed) : state_(seed) {}
  double Toss() { return static_cast<double>((state_ = Mix64(state_)) >> 11) * 0x1p-53; }
  bool Falls(double probability) { return Toss() < probability; }

 private:
  uint64_t state_;
};

// The candidates are the points 0, 1, 2, ...
inline LoggedExploration LogOf(size_t candidates, uint32_t shown, uint32_t slots, double rate) {
  LoggedExploration log;
  log.rate = rate;
  log.slots = slots;
  log.shown = shown;
  for (uint64_t id = 0; id < candidates; ++id) log.candidates.emplace_back(id);
  return log;
}

}  // namespace almagest
