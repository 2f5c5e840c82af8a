#include "storage/base/monotone_curve.h"

#include <algorithm>
#include <cmath>

namespace almagest {

Result<MonotoneCurve> MonotoneCurve::Create(std::vector<float> inputs, std::vector<float> outputs) {
  if (inputs.size() != outputs.size() || inputs.size() < 2 || inputs.size() > kCurveKnotsMax) {
    return Fail(ErrorCode::kInvalidArgument, "a curve has " + std::to_string(inputs.size()) +
                                                 " inputs and " + std::to_string(outputs.size()) +
                                                 " outputs, there must be as many of each, 2 to " +
                                                 std::to_string(kCurveKnotsMax));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool is_finite = std::isfinite(inputs[i]) && std::isfinite(outputs[i]);
    const bool rises = i == 0 || (inputs[i] > inputs[i - 1] && outputs[i] > outputs[i - 1]);
    if (!is_finite || !rises) {
      return Fail(ErrorCode::kInvalidArgument, "a curve's knot " + std::to_string(i) +
                                                   " is not finite or not above the one before it");
    }
  }
  return MonotoneCurve(std::move(inputs), std::move(outputs));
}

float MonotoneCurve::operator()(float input) const {
  const size_t last = inputs_.size() - 1;
  size_t at = 0;  // The line goes through this knot...
  double slope = (static_cast<double>(outputs_[last]) - outputs_[0]) /
                 (static_cast<double>(inputs_[last]) - inputs_[0]);
  if (input >= inputs_[last]) {
    at = last;
  } else if (input > inputs_[0]) {
    at = static_cast<size_t>(std::ranges::upper_bound(inputs_, input) - inputs_.begin()) - 1;
    slope = (static_cast<double>(outputs_[at + 1]) - outputs_[at]) /
            (static_cast<double>(inputs_[at + 1]) - inputs_[at]);
  }
  return static_cast<float>(outputs_[at] + slope * (static_cast<double>(input) - inputs_[at]));
}

}  // namespace almagest
