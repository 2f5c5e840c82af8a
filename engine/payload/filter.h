// The filter tree: what a point's payload and id must satisfy. Semantics are those of Qdrant's
// filters (arrays match if any element does, `must_not` includes points lacking the field...).
// http/ parses JSON into this; filter_evaluator.h turns it into a set of slots.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/types.h"

namespace almagest {

struct Filter;

// A scalar to compare with. Integers, floats, strings and booleans never match across types,
// except that a float condition is not offered by `match` at all.
using MatchScalar = std::variant<bool, int64_t, std::string>;

struct MatchValue { MatchScalar value; };
struct MatchAny { std::vector<MatchScalar> values; };     // Empty matches nothing.
struct MatchExcept { std::vector<MatchScalar> values; };  // Any other present, non-null value.
// Full text. Where the key has a text index, `text` is cut into tokens as the index does it: all
// must occur among the key's tokens, or any, or all in a row. Elsewhere it is a substring test (of
// any of the words parted by white space for kAny).
enum class TextMode : uint8_t { kAll, kAny, kPhrase };
struct MatchText {
  std::string text;
  TextMode mode = TextMode::kAll;
};
struct MatchPrefix { std::string prefix; };  // Strings that begin with these bytes.
using Match = std::variant<MatchValue, MatchAny, MatchExcept, MatchText, MatchPrefix>;

struct Range {
  std::optional<double> gt, gte, lt, lte;
};
// Bounds in microseconds since 1970-01-01T00:00:00Z; payload values are RFC 3339 strings.
struct DatetimeRange {
  std::optional<int64_t> gt, gte, lt, lte;
};
struct ValuesCount {
  std::optional<uint64_t> gt, gte, lt, lte;
};
struct GeoPoint { double lon = 0, lat = 0; };
struct GeoBoundingBox { GeoPoint top_left, bottom_right; };
struct GeoRadius { GeoPoint center; double radius_meters = 0; };
// Rings in degrees on the flat map, the first point repeated at the end, at least 4 points each.
// Inside is what the exterior encloses but for what an interior encloses; borders are outside.
struct GeoPolygon {
  std::vector<GeoPoint> exterior;
  std::vector<std::vector<GeoPoint>> interiors;
};

// A test on the values at a payload path (payload_path.h: `a.b`, `a[]`, `a[0].b`, `"a.b"`).
struct FieldCondition {
  std::string key;
  std::variant<Match, Range, DatetimeRange, ValuesCount, GeoBoundingBox, GeoRadius, GeoPolygon>
      test;
};
struct IsEmptyCondition { std::string key; };  // Missing, null or [].
struct IsNullCondition { std::string key; };   // Present and null, or an array holding null.
struct HasIdCondition { std::vector<PointId> ids; };
struct HasVectorCondition { std::string name; };
// Ids whose hash modulo `total` is `index` (id_slice.h).
struct SliceCondition {
  uint32_t total = 1;
  uint32_t index = 0;
};
// One element of the array at `key` must meet the whole filter.
struct NestedCondition {
  std::string key;
  std::shared_ptr<const Filter> filter;
};
struct FilterCondition { std::shared_ptr<const Filter> filter; };  // A filter inside a filter.

using Condition = std::variant<FieldCondition, IsEmptyCondition, IsNullCondition, HasIdCondition,
                               HasVectorCondition, SliceCondition, NestedCondition,
                               FilterCondition>;

struct MinShould {
  std::vector<Condition> conditions;
  uint64_t min_count = 0;
};

// All of `must`, none of `must_not`, at least one of `should` (if any), `min_should` if given.
struct Filter {
  std::vector<Condition> must, should, must_not;
  std::optional<MinShould> min_should;
  bool empty() const {
    return must.empty() && should.empty() && must_not.empty() && !min_should;
  }
};

}  // namespace almagest
