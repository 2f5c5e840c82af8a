// A body of bytes to an upsert: many dense vectors without JSON. One .npy array (NumPy's format,
// version 1 or 2) of float32, little-endian, C order, shape (points, dimension); the ids count up
// from `first_id`. Payloads cannot come this way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/write.h"

namespace almagest {

// 400 naming what is wrong with the array; 422 when the ids would pass 2^64 - 1. Dimension and
// finiteness are checked where all vectors are.
Result<WriteOperation> ParseNpyUpsert(std::string_view body, uint64_t first_id,
                                      const std::string& vector_name);

}  // namespace almagest
