// A strictly rising curve through given points: how scores of one vector space read as scores of
// another (training/score_calibration.h fits it, engine/collection/bridge.h serves it).
#pragma once

#include <span>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

inline constexpr size_t kCurveKnotsMax = 256;

// Linear between its knots; beyond the first and the last it goes on with the slope of the straight
// line through these two. Immutable, thread-safe.
class MonotoneCurve {
 public:
  // kInvalidArgument unless there are 2..kCurveKnotsMax finite knots that rise strictly in both.
  static Result<MonotoneCurve> Create(std::vector<float> inputs, std::vector<float> outputs);

  // Never falls where the input rises; rounding may make close inputs equal. O(log knots).
  float operator()(float input) const;

  std::span<const float> inputs() const { return inputs_; }
  std::span<const float> outputs() const { return outputs_; }

 private:
  MonotoneCurve(std::vector<float> inputs, std::vector<float> outputs)
      : inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}
  std::vector<float> inputs_, outputs_;
};

}  // namespace almagest
