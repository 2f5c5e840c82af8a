// The tests on the values at a payload key: match, range, geography, counts.
#include <fmt/format.h>

#include "engine/payload/datetime.h"
#include "http/error_response.h"
#include "http/filter_parser.h"

namespace almagest {
namespace {

Result<MatchScalar> ParseScalar(const JsonValue& value) {
  if (value.IsBool()) return MatchScalar(bool(value.element()));
  if (value.element().is<int64_t>()) return MatchScalar(int64_t(value.element()));
  if (value.IsString()) {
    ALMAGEST_TRY(const std::string_view text, value.AsString());
    return MatchScalar(std::string(text));
  }
  return Fail(FormatError(value.path(),
                          "expected a string, a boolean or a whole number of 64 bits to match"));
}

// A list of strings or a list of whole numbers.
Result<std::vector<MatchScalar>> ParseScalars(const JsonValue& value) {
  ALMAGEST_TRY(const auto items, value.Items());
  if (items.size() > kMatchValuesMax) {
    return Fail(ValueError(value.path(), fmt::format("list of {} values", items.size()),
                           fmt::format("of at most {} values", kMatchValuesMax)));
  }
  std::vector<MatchScalar> scalars;
  scalars.reserve(items.size());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(MatchScalar scalar, ParseScalar(item));
    if (std::holds_alternative<bool>(scalar) ||
        (!scalars.empty() && scalar.index() != scalars.front().index())) {
      return Fail(FormatError(item.path(),
                              "expected a list of strings or a list of whole numbers of 64 bits"));
    }
    scalars.push_back(std::move(scalar));
  }
  return scalars;
}

Result<Match> ParseMatch(const JsonValue& value) {
  ALMAGEST_TRY_VOID(
      value.RefuseUnknownKeys({"value", "any", "except", "text", "text_any", "phrase", "prefix"}));
  ALMAGEST_TRY(const auto members, value.Members());
  if (members.size() != 1) {
    return Fail(FormatError(value.path(),
                            "expected exactly one of `value`, `any`, `except`, `text`, `text_any`, "
                            "`phrase`, `prefix`"));
  }
  const auto& [key, member] = members.front();
  if (key == "value") {
    ALMAGEST_TRY(MatchScalar scalar, ParseScalar(member));
    return Match(MatchValue{std::move(scalar)});
  }
  if (key == "any" || key == "except") {
    ALMAGEST_TRY(auto scalars, ParseScalars(member));
    if (key == "any") return Match(MatchAny{std::move(scalars)});
    return Match(MatchExcept{std::move(scalars)});
  }
  ALMAGEST_TRY(const std::string_view text, member.AsString());
  if (key == "prefix") return Match(MatchPrefix{std::string(text)});
  const TextMode mode = key == "text"       ? TextMode::kAll
                        : key == "text_any" ? TextMode::kAny
                                            : TextMode::kPhrase;
  return Match(MatchText{std::string(text), mode});
}

Result<std::optional<int64_t>> FindDatetime(const JsonValue& value, std::string_view key) {
  ALMAGEST_TRY(const auto text, value.FindString(key));
  if (!text) return std::optional<int64_t>();
  const std::optional<int64_t> time = ParseDatetime(*text);
  if (!time) {
    return Fail(
        FormatError(value.ChildPath(key), "expected a number or an RFC 3339 date and time"));
  }
  return time;
}

// Numbers, or dates if one of the bounds is a string.
Result<FieldCondition> ParseRange(std::string key, const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"gt", "gte", "lt", "lte"}));
  bool is_datetime = false;
  for (const std::string_view bound : {"gt", "gte", "lt", "lte"}) {
    const auto member = value.Find(bound);
    is_datetime = is_datetime || (member && member->IsString());
  }
  if (is_datetime) {
    DatetimeRange range;
    ALMAGEST_TRY(range.gt, FindDatetime(value, "gt"));
    ALMAGEST_TRY(range.gte, FindDatetime(value, "gte"));
    ALMAGEST_TRY(range.lt, FindDatetime(value, "lt"));
    ALMAGEST_TRY(range.lte, FindDatetime(value, "lte"));
    return FieldCondition{std::move(key), range};
  }
  Range range;
  ALMAGEST_TRY(range.gt, value.FindDouble("gt"));
  ALMAGEST_TRY(range.gte, value.FindDouble("gte"));
  ALMAGEST_TRY(range.lt, value.FindDouble("lt"));
  ALMAGEST_TRY(range.lte, value.FindDouble("lte"));
  return FieldCondition{std::move(key), range};
}

Result<FieldCondition> ParseValuesCount(std::string key, const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"gt", "gte", "lt", "lte"}));
  ValuesCount count;
  ALMAGEST_TRY(count.gt, value.FindUnsigned("gt"));
  ALMAGEST_TRY(count.gte, value.FindUnsigned("gte"));
  ALMAGEST_TRY(count.lt, value.FindUnsigned("lt"));
  ALMAGEST_TRY(count.lte, value.FindUnsigned("lte"));
  return FieldCondition{std::move(key), count};
}

Result<GeoPoint> ParseGeoPoint(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"lon", "lat"}));
  GeoPoint point;
  ALMAGEST_TRY(const JsonValue lon, value.Require("lon"));
  ALMAGEST_TRY(const JsonValue lat, value.Require("lat"));
  ALMAGEST_TRY(point.lon, lon.AsDoubleIn(-180, 180));
  ALMAGEST_TRY(point.lat, lat.AsDoubleIn(-90, 90));
  return point;
}

Result<FieldCondition> ParseGeoBox(std::string key, const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"top_left", "bottom_right"}));
  ALMAGEST_TRY(const JsonValue top_left, value.Require("top_left"));
  ALMAGEST_TRY(const JsonValue bottom_right, value.Require("bottom_right"));
  GeoBoundingBox box;
  ALMAGEST_TRY(box.top_left, ParseGeoPoint(top_left));
  ALMAGEST_TRY(box.bottom_right, ParseGeoPoint(bottom_right));
  return FieldCondition{std::move(key), box};
}

Result<FieldCondition> ParseGeoRadius(std::string key, const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"center", "radius"}));
  ALMAGEST_TRY(const JsonValue center, value.Require("center"));
  ALMAGEST_TRY(const JsonValue radius, value.Require("radius"));
  GeoRadius circle;
  ALMAGEST_TRY(circle.center, ParseGeoPoint(center));
  ALMAGEST_TRY(circle.radius_meters, radius.AsDoubleIn(0, 1e9));
  return FieldCondition{std::move(key), circle};
}

// {"points": [...]}: closed, so at least a triangle and its first point again.
Result<std::vector<GeoPoint>> ParseRing(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"points"}));
  ALMAGEST_TRY(const JsonValue points, value.Require("points"));
  ALMAGEST_TRY(const auto items, points.Items());
  if (items.size() < 4 || items.size() > kRingPointsMax) {
    return Fail(ValueError(points.path(), fmt::format("line of {} points", items.size()),
                           fmt::format("of 4 to {} points", kRingPointsMax)));
  }
  std::vector<GeoPoint> ring;
  ring.reserve(items.size());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(const GeoPoint point, ParseGeoPoint(item));
    ring.push_back(point);
  }
  if (ring.front().lon != ring.back().lon || ring.front().lat != ring.back().lat) {
    return Fail(ValueError(points.path(), items.back().ToJson(),
                           "the same as the first point: the line must be closed"));
  }
  return ring;
}

Result<FieldCondition> ParseGeoPolygon(std::string key, const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"exterior", "interiors"}));
  ALMAGEST_TRY(const JsonValue exterior, value.Require("exterior"));
  GeoPolygon polygon;
  ALMAGEST_TRY(polygon.exterior, ParseRing(exterior));
  if (const auto interiors = value.Find("interiors")) {
    ALMAGEST_TRY(const auto items, interiors->Items());
    for (const JsonValue& item : items) {
      ALMAGEST_TRY(auto ring, ParseRing(item));
      polygon.interiors.push_back(std::move(ring));
    }
  }
  return FieldCondition{std::move(key), std::move(polygon)};
}

Condition Negated(Condition condition) {
  auto filter = std::make_shared<Filter>();
  filter->must_not.push_back(std::move(condition));
  return FilterCondition{std::move(filter)};
}

}  // namespace

// {"key": ..., <one test>}
Result<Condition> ParseFieldCondition(const JsonValue& value) {
  ALMAGEST_TRY_VOID(
      value.RefuseUnknownKeys({"key", "match", "range", "geo_bounding_box", "geo_radius",
                               "geo_polygon", "values_count", "is_empty", "is_null"}));
  ALMAGEST_TRY(const JsonValue key_value, value.Require("key"));
  ALMAGEST_TRY(const std::string_view key_text, key_value.AsString());
  const std::string key(key_text);
  std::vector<JsonValue> tests;
  std::string test_name;
  for (const std::string_view name : {"match", "range", "geo_bounding_box", "geo_radius",
                                      "geo_polygon", "values_count", "is_empty", "is_null"}) {
    if (auto test = value.Find(name)) {
      tests.push_back(*std::move(test));
      test_name = name;
    }
  }
  if (tests.empty()) {
    return Fail(ErrorCode::kOutOfRange,
                fmt::format("[{}: At least one field condition must be specified]", value.path()));
  }
  if (tests.size() != 1) {
    return Fail(FormatError(value.path(),
                            "expected exactly one test beside `key`: `match`, "
                            "`range`, `geo_bounding_box`, `geo_radius`, `geo_polygon`, "
                            "`values_count`, `is_empty` or `is_null`"));
  }
  const JsonValue& test = tests.front();
  if (test_name == "match") {
    ALMAGEST_TRY(Match match, ParseMatch(test));
    return Condition(FieldCondition{key, std::move(match)});
  }
  if (test_name == "is_empty" || test_name == "is_null") {
    ALMAGEST_TRY(const bool expected, test.AsBool());
    Condition condition = test_name == "is_empty" ? Condition(IsEmptyCondition{key})
                                                  : Condition(IsNullCondition{key});
    return expected ? std::move(condition) : Negated(std::move(condition));
  }
  using Parser = Result<FieldCondition> (*)(std::string, const JsonValue&);
  const Parser parse = test_name == "range"              ? ParseRange
                       : test_name == "values_count"     ? ParseValuesCount
                       : test_name == "geo_bounding_box" ? ParseGeoBox
                       : test_name == "geo_polygon"      ? ParseGeoPolygon
                                                         : ParseGeoRadius;
  ALMAGEST_TRY(FieldCondition condition, parse(key, test));
  return Condition(std::move(condition));
}

}  // namespace almagest
