// A body of bytes to an upsert: the rows of a .npy array become points whose ids count up from
// `first_id`. Payloads cannot come this way.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/write.h"

namespace almagest {

// 400 naming what is wrong with the array (npy_array.h); 422 when the ids would pass 2^64 - 1.
// Dimension and finiteness are checked where all vectors are.
Result<WriteOperation> ParseNpyUpsert(std::string_view body, uint64_t first_id,
                                      const std::string& vector_name);

}  // namespace almagest
