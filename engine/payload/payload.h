// A payload is one JSON object, kept as canonical text: minified, keys sorted, of duplicate keys
// the last. Integers stay integers (beyond 64 bits they become floating point, as in JavaScript),
// other numbers get the shortest spelling that reads back as the same double. The empty text
// stands for a point without a payload and reads as `{}`.
//
// All functions are pure. Errors are kInvalidArgument: not JSON, not an object, deeper than
// kPayloadDepthMax, invalid UTF-8, a number beyond the range of double, a bad path.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "storage/base/result.h"

namespace almagest {

inline constexpr size_t kPayloadDepthMax = 128;

Result<std::string> CanonicalPayload(std::string_view json);

// set_payload: the top-level keys of the object `patch` replace those of the payload; a null
// removes the key. With `path`, the object at that path is merged into instead, and created where
// keys are missing (but array elements never are).
Result<std::string> MergePayload(std::string_view payload, std::string_view patch,
                                 std::string_view path = {});

// delete_payload: removes what the paths name; absent ones are ignored.
Result<std::string> DeletePayloadKeys(std::string_view payload, std::span<const std::string> paths);

}  // namespace almagest
