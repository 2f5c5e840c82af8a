// Filters: every condition, closed objects, named faults.
#include "http/filter_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/payload/filter_evaluator.h"
#include "http/error_response.h"

namespace almagest {
namespace {

using ::testing::HasSubstr;

Result<Filter> Parse(const std::string& json) {
  ALMAGEST_TRY(const JsonValue value, ParseJsonBody(json));
  return ParseFilter(value);
}

std::string ErrorOf(const std::string& json) {
  const auto filter = Parse(json);
  return filter ? "no error" : ErrorText(filter.error());
}

template <class Test>
Test OnlyTest(const std::string& condition) {
  const auto filter = Parse("{\"must\": [" + condition + "]}");
  EXPECT_TRUE(filter.has_value()) << (filter ? "" : filter.error().message);
  return std::get<Test>(std::get<FieldCondition>(filter->must.at(0)).test);
}

TEST(FilterParser, ReadsMatches) {
  const auto integer = OnlyTest<Match>(R"({"key": "k", "match": {"value": 5}})");
  EXPECT_EQ(std::get<MatchValue>(integer).value, MatchScalar(int64_t{5}));
  const auto boolean = OnlyTest<Match>(R"({"key": "k", "match": {"value": true}})");
  EXPECT_EQ(std::get<MatchValue>(boolean).value, MatchScalar(true));
  const auto any = OnlyTest<Match>(R"({"key": "k", "match": {"any": ["a", "b"]}})");
  EXPECT_EQ(std::get<MatchAny>(any).values.size(), 2u);
  const auto except = OnlyTest<Match>(R"({"key": "k", "match": {"except": []}})");
  EXPECT_TRUE(std::get<MatchExcept>(except).values.empty());
  const auto text = OnlyTest<Match>(R"({"key": "k", "match": {"text": "x"}})");
  EXPECT_EQ(std::get<MatchText>(text).text, "x");
}

TEST(FilterParser, TextConditionsWithoutAnIndexAreSubstringTests) {
  const auto phrase = OnlyTest<Match>(R"({"key": "k", "match": {"phrase": "red hat"}})");
  EXPECT_EQ(std::get<MatchText>(phrase).text, "red hat");
  const auto matches = [](const std::string& words, const std::string& payload) {
    const auto filter = Parse(R"({"must": {"key": "k", "match": {"text_any": ")" + words + "\"}}}");
    EXPECT_TRUE(filter.has_value());
    return *MatchesFilter(*filter, payload, PointId(uint64_t{1}), {});
  };
  EXPECT_TRUE(matches("blue  red", R"({"k":"a red hat"})"));
  EXPECT_TRUE(matches(" hat", R"({"k":["shoe","hat"]})"));
  EXPECT_FALSE(matches("blue green", R"({"k":"a red hat"})"));
  EXPECT_FALSE(matches("red", R"({"other":"red"})"));
  EXPECT_FALSE(matches("  ", R"({"k":"a red hat"})")) << "no word matches nothing";
  EXPECT_FALSE(matches("5", R"({"k":5})"));
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a", "match": {"text_any": "x", "any": []}}})"),
              HasSubstr("expected exactly one of"));
}

TEST(FilterParser, ReadsRanges) {
  const auto range = OnlyTest<Range>(R"({"key": "k", "range": {"gte": 1, "lt": 2.5}})");
  EXPECT_EQ(range.gte, 1.0);
  EXPECT_EQ(range.lt, 2.5);
  EXPECT_FALSE(range.gt.has_value());
  const auto dates =
      OnlyTest<DatetimeRange>(R"({"key": "k", "range": {"gt": "1970-01-01T00:00:01Z"}})");
  EXPECT_EQ(dates.gt, 1'000'000);
  const auto count = OnlyTest<ValuesCount>(R"({"key": "k", "values_count": {"lte": 3}})");
  EXPECT_EQ(count.lte, 3u);
  const auto circle = OnlyTest<GeoRadius>(
      R"({"key": "k", "geo_radius": {"center": {"lon": 13.4, "lat": 52.5}, "radius": 100}})");
  EXPECT_EQ(circle.radius_meters, 100);
  const auto polygon = OnlyTest<GeoPolygon>(R"({"key": "k", "geo_polygon": {
      "exterior": {"points": [{"lon": 0, "lat": 0}, {"lon": 1, "lat": 0}, {"lon": 1, "lat": 1},
                              {"lon": 0, "lat": 0}]},
      "interiors": [{"points": [{"lon": 0, "lat": 0}, {"lon": 1, "lat": 0}, {"lon": 1, "lat": 1},
                                {"lon": 0, "lat": 0}]}]}})");
  EXPECT_EQ(polygon.exterior.size(), 4u);
  EXPECT_EQ(polygon.interiors.size(), 1u);
  const auto prefix = OnlyTest<Match>(R"({"key": "k", "match": {"prefix": "re"}})");
  EXPECT_EQ(std::get<MatchPrefix>(prefix).prefix, "re");
  const auto slice = Parse(R"({"must": {"slice": {"total": 4, "index": 3}}})");
  ASSERT_TRUE(slice.has_value());
  EXPECT_EQ(std::get<SliceCondition>(slice->must.at(0)).index, 3u);
}

TEST(FilterParser, ReadsClausesAndNesting) {
  const auto filter = Parse(R"({
      "must": {"has_id": [1, "550e8400-e29b-41d4-a716-446655440000"]},
      "should": [{"is_empty": {"key": "a"}}, {"key": "b", "is_null": false}],
      "must_not": [{"nested": {"key": "c", "filter": {"must": [{"has_vector": ""}]}}}],
      "min_should": {"conditions": [{"should": []}], "min_count": 1}})");
  ASSERT_TRUE(filter.has_value()) << filter.error().message;
  EXPECT_EQ(std::get<HasIdCondition>(filter->must.at(0)).ids.size(), 2u);
  EXPECT_EQ(std::get<IsEmptyCondition>(filter->should.at(0)).key, "a");
  const auto& negated = std::get<FilterCondition>(filter->should.at(1));
  EXPECT_EQ(std::get<IsNullCondition>(negated.filter->must_not.at(0)).key, "b");
  EXPECT_EQ(std::get<NestedCondition>(filter->must_not.at(0)).key, "c");
  EXPECT_EQ(filter->min_should->min_count, 1u);
}

TEST(FilterParser, NamesUnknownKeysAtEveryLevel) {
  EXPECT_THAT(ErrorOf(R"({"musst": []})"), HasSubstr("unknown field `musst`"));
  EXPECT_THAT(ErrorOf(R"({"must": [{"kee": "a"}]})"), HasSubstr("unknown field `kee`"));
  EXPECT_THAT(ErrorOf(R"({"must": [{"key": "a", "match": {"valeu": 1}}]})"),
              HasSubstr("[must[0].match]: unknown field `valeu`"));
  EXPECT_THAT(ErrorOf(R"({"must": [{"key": "a", "range": {"from": 1}}]})"),
              HasSubstr("[must[0].range]: unknown field `from`"));
  EXPECT_THAT(ErrorOf(R"({"should": {"nested": {"key": "a", "filter": {"x": 1}}}})"),
              HasSubstr("[should.nested.filter]: unknown field `x`"));
}

TEST(FilterParser, LimitsNameFieldValueAndLimit) {
  std::string nested = R"({"must": {"has_id": [1]}})";
  for (size_t i = 1; i < kFilterDepthMax; ++i) nested = R"({"must": )" + nested + "}";
  EXPECT_EQ(ErrorOf(nested), "no error");
  EXPECT_THAT(ErrorOf(R"({"must": )" + nested + "}"),
              HasSubstr("value nesting of 65 filters invalid, must be at most 64 filters deep"));
  std::string many = R"({"has_id": []})";
  for (size_t i = 1; i < kFilterConditionsMax; ++i) many += R"(, {"has_id": []})";
  EXPECT_EQ(ErrorOf(R"({"must": [)" + many + "]}"), "no error");
  EXPECT_THAT(ErrorOf(R"({"must": [)" + many + R"(], "should": {"has_id": []}})"),
              HasSubstr("value filter of 8193 conditions invalid, must be of at most 8192"));
  std::string values = "1";
  for (size_t i = 0; i < kMatchValuesMax; ++i) values += ",1";
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a", "match": {"any": [)" + values + "]}}}"),
              HasSubstr("[must.match.any: value list of 1000001 values invalid"));
  EXPECT_THAT(ErrorOf(R"({"must": {"has_id": [)" + values + "]}}"),
              HasSubstr("[must.has_id: value list of 1000001 ids invalid"));
}

TEST(FilterParser, RefusesWrongValues) {
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a", "match": {"value": 1.5}}})"),
              HasSubstr("Format error in JSON body: [must.match.value]"));
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a", "range": {"gt": "soon"}}})"), HasSubstr("RFC 3339"));
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a", "geo_radius": {"center": {"lon": 0, "lat": 91},
              "radius": 1}}})"),
              HasSubstr("[must.geo_radius.center.lat: value 91 invalid, must be from -90 to 90]"));
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a"}})"),
              HasSubstr("[must: At least one field condition must be specified]"));
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a", "range": {"gt": 1}, "match": {"value": 1}}})"),
              HasSubstr("exactly one test"));
  EXPECT_THAT(ErrorOf(R"({"must": {"has_id": [-1]}})"), HasSubstr("not a valid point ID"));
  EXPECT_THAT(ErrorOf(R"({"must": {"has_id": [18446744073709551616]}})"),
              HasSubstr("Format error in JSON body"));
  EXPECT_THAT(ErrorOf(R"({"must": {"slice": {"total": 0, "index": 0}}})"),
              HasSubstr("[must.slice.total: value 0 invalid"));
  EXPECT_THAT(ErrorOf(R"({"must": {"slice": {"total": 2, "index": 2}}})"),
              HasSubstr("[must.slice.index: value 2 invalid"));
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a", "geo_polygon": {"exterior": {"points": []}}}})"),
              HasSubstr("[must.geo_polygon.exterior.points: value line of 0 points invalid"));
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a", "geo_polygon": {"exterior": {"points": [
                  {"lon": 0, "lat": 0}, {"lon": 1, "lat": 0}, {"lon": 1, "lat": 1},
                  {"lon": 0, "lat": 1}]}}}})"),
              HasSubstr("the line must be closed"));
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a", "match": {"any": ["x", 1]}}})"),
              HasSubstr("[must.match.any[1]]: expected a list of strings or a list of whole"));
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a", "match": {"any": [true]}}})"),
              HasSubstr("[must.match.any[0]]: expected a list"));
  EXPECT_THAT(ErrorOf(R"({"must": {"has_id": [1]}, "must": {"has_id": [2]}})"),
              HasSubstr("duplicate field `must`"));
  EXPECT_THAT(ErrorOf(R"({"must": {"key": "a", "match": {"value": 1, "value": 2}}})"),
              HasSubstr("duplicate field `value`"));
}

}  // namespace
}  // namespace almagest
