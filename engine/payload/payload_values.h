// The values at a path of a payload, for counting and grouping by them.
#pragma once

#include <string_view>
#include <vector>

#include "engine/payload/filter.h"
#include "engine/payload/payload_path.h"

namespace almagest {

// Strings, whole numbers of 64 bits and booleans at the path, those of an array one by one; each
// value once, in order of first appearance. Other values are left out. kCorruption if `payload` is
// not canonical.
Result<std::vector<MatchScalar>> ScalarsAt(std::string_view payload, const PayloadPath& path);

}  // namespace almagest
