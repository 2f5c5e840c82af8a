// JSON to the filter tree of engine/payload/filter.h. Filter objects are closed: a key that is not
// known is an error, because a condition that is silently dropped returns too much.
#pragma once

#include <optional>

#include "engine/payload/filter.h"
#include "http/json_reader.h"

namespace almagest {

// A number (unsigned 64-bit) or a UUID in any usual spelling; 400 naming the path otherwise.
Result<PointId> ParsePointId(const JsonValue& value);
Result<std::vector<PointId>> ParsePointIds(const JsonValue& array);
// From a URL: digits mean a number.
Result<PointId> ParsePointIdText(std::string_view text);

// 400 for a wrong form, 422 for a value out of its range (geo coordinates, min_count).
Result<Filter> ParseFilter(const JsonValue& value);
// One condition by itself, as formulas have it. Errors as those of ParseFilter.
Result<Condition> ParseOneCondition(const JsonValue& value);
// The member `key` of `object`; nullopt if absent.
Result<std::optional<Filter>> FindFilter(const JsonValue& object, std::string_view key = "filter");

}  // namespace almagest
