#include "engine/collection/vector_values.h"

#include <algorithm>
#include <cmath>

#include "engine/index/fastscan_kernels.h"

namespace almagest {
namespace {

constexpr double kUnitTolerance = 1e-6;

// False when the sum leaves the range of 32-bit floats.
bool NormalizeInOrder(std::span<float> vector) {
  float sum = 0;
  for (const float value : vector) sum += value * value;
  if (!std::isnormal(sum)) return false;
  if (std::abs(sum - 1.0f) <= static_cast<float>(kUnitTolerance)) return true;
  const float length = std::sqrt(sum);
  for (float& value : vector) value /= length;
  return true;
}

}  // namespace

void NormalizeCosine(std::span<float> vector) {
  if (vector.size() < kSequentialBelow && NormalizeInOrder(vector)) return;
  // In double: squares of large 32-bit values overflow.
  double sum = 0;
  for (const float value : vector) sum += double{value} * value;
  const double length = std::sqrt(sum);
  if (length == 0 || std::abs(length - 1) <= kUnitTolerance) return;
  for (float& value : vector) value = static_cast<float>(value / length);
}

void RoundTo(Datatype datatype, std::span<float> values) {
  switch (datatype) {
    case Datatype::kFloat32:
      return;
    case Datatype::kFloat16:
      for (float& value : values) value = HalfToFloat(FloatToHalf(value));
      return;
    case Datatype::kUint8:
      for (float& value : values) value = std::trunc(std::clamp(value, 0.0f, 255.0f));
      return;
  }
}

}  // namespace almagest
