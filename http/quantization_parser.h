// Quantization in Qdrant's words: `quantization_config` of a collection or a vector field, and
// `params.quantization` of a search. What each means here: engine/config.h and engine/query.h.
#pragma once

#include "engine/config.h"
#include "engine/query.h"
#include "http/json_reader.h"

namespace almagest {

// Reads `quantization_config` (or `quantization`, the older name) of `owner` into `quantization`,
// which stays as it is where there is neither.
//   {"scalar": {"type": "int8", "quantile", "always_ram", "memory"}}
//   {"binary": {"encoding", "query_encoding", "always_ram", "memory"}}
//   "Disabled"
// Refused by name: product, turbo, queries in fewer than 8 bits.
Result<> ApplyQuantization(const JsonValue& owner, Quantization& quantization);

// {"ignore", "rescore", "oversampling"}
Result<QuantizedSearch> ParseQuantizedSearch(const JsonValue& value);

}  // namespace almagest
