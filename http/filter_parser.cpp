#include "http/filter_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "engine/payload/datetime.h"
#include "http/error_response.h"

namespace almagest {
namespace {

Result<Condition> ParseCondition(const JsonValue& value);

// `must` and so on take one condition or a list.
Result<std::vector<Condition>> ParseConditions(const JsonValue& value) {
  std::vector<Condition> conditions;
  if (!value.IsArray()) {
    ALMAGEST_TRY(Condition condition, ParseCondition(value));
    conditions.push_back(std::move(condition));
    return conditions;
  }
  ALMAGEST_TRY(const auto items, value.Items());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(Condition condition, ParseCondition(item));
    conditions.push_back(std::move(condition));
  }
  return conditions;
}

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

Result<std::vector<MatchScalar>> ParseScalars(const JsonValue& value) {
  ALMAGEST_TRY(const auto items, value.Items());
  std::vector<MatchScalar> scalars;
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(MatchScalar scalar, ParseScalar(item));
    scalars.push_back(std::move(scalar));
  }
  return scalars;
}

Result<Match> ParseMatch(const JsonValue& value) {
  ALMAGEST_TRY_VOID(
      value.RefuseUnknownKeys({"value", "any", "except", "text", "text_any", "phrase", "prefix"}));
  ALMAGEST_TRY_VOID(value.RefuseKey("prefix", "there are no prefix indexes"));
  ALMAGEST_TRY(const auto members, value.Members());
  if (members.size() != 1) {
    return Fail(
        FormatError(value.path(),
                    "expected exactly one of `value`, `any`, `except`, `text`, `text_any`, "
                    "`phrase`"));
  }
  const auto& [key, member] = members.front();
  if (key == "value") {
    ALMAGEST_TRY(MatchScalar scalar, ParseScalar(member));
    return Match(MatchValue{std::move(scalar)});
  }
  // Without a text index both are substring tests, as in Qdrant.
  if (key == "text" || key == "phrase") {
    ALMAGEST_TRY(const std::string_view text, member.AsString());
    return Match(MatchText{std::string(text)});
  }
  ALMAGEST_TRY(auto scalars, ParseScalars(member));
  if (key == "any") return Match(MatchAny{std::move(scalars)});
  return Match(MatchExcept{std::move(scalars)});
}

// Any of the words, each a substring test: {"should": [{"text": word}, ...]}.
Result<Condition> ParseTextAny(const std::string& key, const JsonValue& match) {
  ALMAGEST_TRY_VOID(match.RefuseUnknownKeys({"text_any"}));
  ALMAGEST_TRY(const JsonValue member, match.Require("text_any"));
  ALMAGEST_TRY(std::string_view text, member.AsString());
  constexpr std::string_view kSpaces = " \t\n\v\f\r";
  auto filter = std::make_shared<Filter>();
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
    if (text.empty()) break;
    const std::string_view word = text.substr(0, text.find_first_of(kSpaces));
    filter->should.push_back(FieldCondition{key, Match(MatchText{std::string(word)})});
    text.remove_prefix(word.size());
  }
  // An empty `should` would hold for every point; no word matches none.
  if (filter->should.empty()) return Condition(FieldCondition{key, Match(MatchAny{})});
  return Condition(FilterCondition{std::move(filter)});
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

Condition Negated(Condition condition) {
  auto filter = std::make_shared<Filter>();
  filter->must_not.push_back(std::move(condition));
  return FilterCondition{std::move(filter)};
}

// {"key": ..., <one test>}
Result<Condition> ParseFieldCondition(const JsonValue& value) {
  ALMAGEST_TRY_VOID(
      value.RefuseUnknownKeys({"key", "match", "range", "geo_bounding_box", "geo_radius",
                               "geo_polygon", "values_count", "is_empty", "is_null"}));
  ALMAGEST_TRY_VOID(value.RefuseKey("geo_polygon", "use geo_bounding_box or geo_radius"));
  ALMAGEST_TRY(const JsonValue key_value, value.Require("key"));
  ALMAGEST_TRY(const std::string_view key_text, key_value.AsString());
  const std::string key(key_text);
  std::vector<JsonValue> tests;
  std::string test_name;
  for (const std::string_view name : {"match", "range", "geo_bounding_box", "geo_radius",
                                      "values_count", "is_empty", "is_null"}) {
    if (auto test = value.Find(name)) {
      tests.push_back(*std::move(test));
      test_name = name;
    }
  }
  if (tests.size() != 1) {
    return Fail(FormatError(value.path(),
                            "expected exactly one test beside `key`: `match`, "
                            "`range`, `geo_bounding_box`, `geo_radius`, "
                            "`values_count`, `is_empty` or `is_null`"));
  }
  const JsonValue& test = tests.front();
  if (test_name == "match" && test.Find("text_any")) return ParseTextAny(key, test);
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
                                                         : ParseGeoRadius;
  ALMAGEST_TRY(FieldCondition condition, parse(key, test));
  return Condition(std::move(condition));
}

// {"is_empty": {"key": ...}} and {"is_null": {"key": ...}}
Result<std::string> ParsePayloadField(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"key"}));
  ALMAGEST_TRY(const JsonValue key, value.Require("key"));
  ALMAGEST_TRY(const std::string_view text, key.AsString());
  return std::string(text);
}

Result<Condition> ParseNested(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"key", "filter"}));
  ALMAGEST_TRY(const JsonValue key, value.Require("key"));
  ALMAGEST_TRY(const JsonValue inner, value.Require("filter"));
  ALMAGEST_TRY(const std::string_view text, key.AsString());
  ALMAGEST_TRY(Filter filter, ParseFilter(inner));
  return Condition(
      NestedCondition{std::string(text), std::make_shared<const Filter>(std::move(filter))});
}

Result<Condition> ParseCondition(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  if (value.Find("key")) return ParseFieldCondition(value);
  ALMAGEST_TRY_VOID(value.RefuseKey("slice", "filter by has_id or by a payload key"));
  for (const std::string_view name : {"is_empty", "is_null", "has_id", "has_vector", "nested"}) {
    const auto member = value.Find(name);
    if (!member) continue;
    ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({name}));
    if (name == "nested") return ParseNested(*member);
    if (name == "has_id") {
      ALMAGEST_TRY(auto ids, ParsePointIds(*member));
      return Condition(HasIdCondition{std::move(ids)});
    }
    if (name == "has_vector") {
      ALMAGEST_TRY(const std::string_view vector, member->AsString());
      return Condition(HasVectorCondition{std::string(vector)});
    }
    ALMAGEST_TRY(std::string key, ParsePayloadField(*member));
    if (name == "is_empty") return Condition(IsEmptyCondition{std::move(key)});
    return Condition(IsNullCondition{std::move(key)});
  }
  ALMAGEST_TRY(Filter filter, ParseFilter(value));
  return Condition(FilterCondition{std::make_shared<const Filter>(std::move(filter))});
}

Result<MinShould> ParseMinShould(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"conditions", "min_count"}));
  ALMAGEST_TRY(const JsonValue conditions, value.Require("conditions"));
  ALMAGEST_TRY(const JsonValue min_count, value.Require("min_count"));
  MinShould min_should;
  ALMAGEST_TRY(const auto items, conditions.Items());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(Condition condition, ParseCondition(item));
    min_should.conditions.push_back(std::move(condition));
  }
  ALMAGEST_TRY(min_should.min_count, min_count.AsUnsignedIn(1, UINT64_MAX));
  return min_should;
}

}  // namespace

Result<PointId> ParsePointIdText(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return PointId(number);
  if (const auto uuid = ParseUuid(text)) return PointId(*uuid);
  return Fail(FormatError(
      "", fmt::format("value {} is not a valid point ID, valid values are either an unsigned "
                      "integer or a UUID",
                      text.substr(0, 100))));
}

Result<PointId> ParsePointId(const JsonValue& value) {
  if (value.element().is<uint64_t>()) return PointId(uint64_t(value.element()));
  if (value.IsString()) {
    ALMAGEST_TRY(const std::string_view text, value.AsString());
    if (const auto uuid = ParseUuid(text)) return PointId(*uuid);
  }
  return Fail(FormatError(
      value.path(), fmt::format("value {} is not a valid point ID, valid values are either an "
                                "unsigned integer or a UUID",
                                value.ToJson().substr(0, 100))));
}

Result<std::vector<PointId>> ParsePointIds(const JsonValue& array) {
  ALMAGEST_TRY(const auto items, array.Items());
  std::vector<PointId> ids;
  ids.reserve(items.size());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(const PointId id, ParsePointId(item));
    ids.push_back(id);
  }
  return ids;
}

Result<Condition> ParseOneCondition(const JsonValue& value) { return ParseCondition(value); }

Result<Filter> ParseFilter(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"must", "should", "must_not", "min_should"}));
  Filter filter;
  if (const auto must = value.Find("must")) {
    ALMAGEST_TRY(filter.must, ParseConditions(*must));
  }
  if (const auto should = value.Find("should")) {
    ALMAGEST_TRY(filter.should, ParseConditions(*should));
  }
  if (const auto must_not = value.Find("must_not")) {
    ALMAGEST_TRY(filter.must_not, ParseConditions(*must_not));
  }
  if (const auto min_should = value.Find("min_should")) {
    ALMAGEST_TRY(filter.min_should, ParseMinShould(*min_should));
  }
  return filter;
}

Result<std::optional<Filter>> FindFilter(const JsonValue& object, std::string_view key) {
  const auto member = object.Find(key);
  if (!member) return std::optional<Filter>();
  ALMAGEST_TRY(Filter filter, ParseFilter(*member));
  return std::optional<Filter>(std::move(filter));
}

}  // namespace almagest
