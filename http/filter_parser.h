// JSON to the filter tree of engine/payload/filter.h. Filter objects are closed: a key that is not
// known is an error, because a condition that is silently dropped returns too much.
#pragma once

#include <optional>

#include "engine/payload/filter.h"
#include "http/json_reader.h"

namespace almagest {

// Limits of one filter: conditions in all of its tree, values of one `any`, `except` or `has_id`,
// points of one line of a polygon. (Nesting: kFilterDepthMax of filter_evaluator.h.)
inline constexpr size_t kFilterConditionsMax = 8192;
inline constexpr size_t kMatchValuesMax = 1'000'000;
inline constexpr size_t kRingPointsMax = 100'000;

// A number (unsigned 64-bit) or a UUID in any usual spelling; 400 naming the path otherwise.
Result<PointId> ParsePointId(const JsonValue& value);
Result<std::vector<PointId>> ParsePointIds(const JsonValue& array);
// From a URL: digits mean a number.
Result<PointId> ParsePointIdText(std::string_view text);

// {"key": ..., <one test>}: condition_parser.cpp.
Result<Condition> ParseFieldCondition(const JsonValue& value);
// 400 for a wrong form, 422 for a value out of its range (geo coordinates, a limit above).
Result<Filter> ParseFilter(const JsonValue& value);
// One condition by itself, as formulas have it. Errors as those of ParseFilter.
Result<Condition> ParseOneCondition(const JsonValue& value);
// The member `key` of `object`; nullopt if absent.
Result<std::optional<Filter>> FindFilter(const JsonValue& object, std::string_view key = "filter");

}  // namespace almagest
