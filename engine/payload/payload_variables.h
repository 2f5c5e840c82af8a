// Payload values as the variables of a formula: numbers, texts and points on the Earth.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/payload/filter.h"
#include "engine/payload/payload_path.h"

namespace almagest {

struct PayloadVariable {
  // kOther: a boolean, null, an object that is no point, or several values.
  enum class Kind : uint8_t { kNumber, kText, kGeoPoint, kOther };
  Kind kind = Kind::kOther;
  double number = 0;
  std::string text;
  GeoPoint point;
};

// One per path, in order; nullopt where there is no value. An array of one element stands for its
// element, an empty one for no value. kCorruption if `payload` is not canonical.
Result<std::vector<std::optional<PayloadVariable>>> ReadVariables(
    std::string_view payload, std::span<const PayloadPath> paths);

}  // namespace almagest
