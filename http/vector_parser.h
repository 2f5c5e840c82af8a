// JSON to vectors: arrays of numbers (dense), {"indices", "values"} (sparse), {"text", "model"}.
#pragma once

#include "http/json_reader.h"
#include "http/text_resolver.h"

namespace almagest {

// Whether `value` is an object in one of the forms that stand for one vector.
bool IsVectorObject(const JsonValue& value);

// 422 naming the component when a number does not fit a 32-bit float or a dense vector is empty;
// 400 for other types and for several vectors in one (multi-vectors are not supported).
Result<VectorData> ParseVector(const JsonValue& value, TextResolver& texts, bool is_query);

// The `vector` of a point: an array or a text (the unnamed vector), or an object of named ones.
Result<NamedVectors> ParsePointVectors(const JsonValue& value, TextResolver& texts);

}  // namespace almagest
