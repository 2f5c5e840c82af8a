// The non-linear part of an adapter's query side, as adapter files have it (docs/job-folder.md):
//
//   y = W x + b + U h(x)     mlp       h = max(V x + c, 0)
//                            mixture   h = (V x + c) * softmax(R x + s)[expert of the unit]
//
// A mixture's E experts own H / E units each, in their order. Server and trainer read and write it
// by this code.
#pragma once

#include <cstdint>
#include <vector>

#include "storage/base/result.h"
#include "storage/base/safetensors.h"

namespace almagest {

inline constexpr int64_t kHiddenMax = 4096;
inline constexpr int64_t kExpertsMax = 64;  // And from 2.

struct ResidualTensors {
  int64_t hidden = 0;                // H; 0: there is no such part.
  int64_t experts = 0;               // E, a divisor of H; 0: an mlp.
  std::vector<float> hidden_weight;  // V [H, D]
  std::vector<float> hidden_bias;    // c [H]
  std::vector<float> output_weight;  // U [D, H]
  std::vector<float> route_weight;   // R [E, D]
  std::vector<float> route_bias;     // s [E]

  bool operator==(const ResidualTensors&) const = default;
};

// Of a file whose metadata says format_version "1" or "2": what there is of it, hidden 0 if
// nothing. kCorruption in one sentence: another format_version, a "1" with such a part (its readers
// would leave it out), a tensor that is missing, misshapen or not finite, H or E out of range.
Result<ResidualTensors> ReadResidual(const Safetensors& file, int64_t dimension);

// Sets format_version, "1" where there is no such part, and adds its tensors, which must outlive
// the writing.
void AddResidual(const ResidualTensors& residual, int64_t dimension, SafetensorsWriter* writer);

}  // namespace almagest
