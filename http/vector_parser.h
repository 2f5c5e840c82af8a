// JSON to vectors: arrays of numbers (dense), {"indices", "values"} (sparse), arrays of arrays
// (multi-vectors), {"text", "model"}.
#pragma once

#include "http/json_reader.h"
#include "http/text_resolver.h"

namespace almagest {

// Whether `value` is an object in one of the forms that stand for one vector.
bool IsVectorObject(const JsonValue& value);

// 422 naming the component when a number does not fit a 32-bit float, a row of a multi-vector is
// empty or of another length than the first, or there are too many values; 400 for other types. An
// empty array is a dense vector of no dimension: what it is for refuses it.
Result<VectorData> ParseVector(const JsonValue& value, TextResolver& texts, bool is_query);

// The `vector` of a point: an array or a text (the unnamed vector), or an object of named ones.
// Into `vectors`, which is empty; half-filled after an error.
Result<> ParsePointVectors(const JsonValue& value, TextResolver& texts, NamedVectors& vectors);

}  // namespace almagest
