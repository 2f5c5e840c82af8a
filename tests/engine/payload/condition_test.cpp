// The meaning of each condition on one point: examples from Qdrant's documented semantics.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/payload/datetime.h"
#include "engine/payload/filter_evaluator.h"

namespace almagest {
namespace {

Filter Must(Condition condition) {
  Filter filter;
  filter.must.push_back(std::move(condition));
  return filter;
}
bool Holds(const Filter& filter, std::string_view payload) {
  const auto matches = MatchesFilter(filter, payload, uint64_t{7}, nullptr);
  EXPECT_TRUE(matches) << matches.error().message;
  return matches.value_or(false);
}
bool Holds(Condition condition, std::string_view payload) {
  return Holds(Must(std::move(condition)), payload);
}
FieldCondition Value(MatchScalar value, std::string key = "a") {
  return {std::move(key), Match(MatchValue{std::move(value)})};
}
FieldCondition Except(std::vector<MatchScalar> values) {
  return {"a", Match(MatchExcept{std::move(values)})};
}
FieldCondition Any(std::vector<MatchScalar> values) {
  return {"a", Match(MatchAny{std::move(values)})};
}

TEST(ConditionTest, MatchNeverCrossesTypes) {
  EXPECT_TRUE(Holds(Value(int64_t{5}), R"({"a":5})"));
  EXPECT_FALSE(Holds(Value(int64_t{5}), R"({"a":5.0})"));
  EXPECT_FALSE(Holds(Value(int64_t{5}), R"({"a":"5"})"));
  EXPECT_FALSE(Holds(Value(std::string("5")), R"({"a":5})"));
  EXPECT_TRUE(Holds(Value(true), R"({"a":true})"));
  EXPECT_FALSE(Holds(Value(int64_t{1}), R"({"a":true})"));
  EXPECT_FALSE(Holds(Value(int64_t{-1}), R"({"a":18446744073709551615})"));
  EXPECT_FALSE(Holds(Value(int64_t{5}), R"({"b":5})"));
  EXPECT_FALSE(Holds(Value(int64_t{5}), ""));
}

TEST(ConditionTest, ArraysMatchByElementOneLevelDeep) {
  EXPECT_TRUE(Holds(Value(int64_t{2}), R"({"a":[1,2]})"));
  EXPECT_FALSE(Holds(Value(int64_t{2}), R"({"a":[[1,2]]})"));
  EXPECT_TRUE(Holds(Value(int64_t{2}, "a[]"), R"({"a":[[1,2]]})"));
  EXPECT_TRUE(Holds(Value(int64_t{2}, "a[].b"), R"({"a":[{"b":1},{"b":2}]})"));
  EXPECT_FALSE(Holds(Value(int64_t{2}, "a.b"), R"({"a":[{"b":1},{"b":2}]})"));
  EXPECT_TRUE(Holds(Value(int64_t{2}, "a[1].b"), R"({"a":[{"b":1},{"b":2}]})"));
  EXPECT_FALSE(Holds(Value(int64_t{2}, "a[0].b"), R"({"a":[{"b":1},{"b":2}]})"));
}

TEST(ConditionTest, AnyAndExcept) {
  EXPECT_TRUE(Holds(Any({int64_t{1}, std::string("x")}), R"({"a":"x"})"));
  EXPECT_FALSE(Holds(Any({}), R"({"a":"x"})"));
  EXPECT_FALSE(Holds(Except({std::string("x")}), R"({"a":"x"})"));
  EXPECT_TRUE(Holds(Except({std::string("x")}), R"({"a":"y"})"));
  EXPECT_TRUE(Holds(Except({std::string("x")}), R"({"a":["x","y"]})"));
  EXPECT_TRUE(Holds(Except({std::string("x")}), R"({"a":5})"));
  EXPECT_TRUE(Holds(Except({int64_t{5}}), R"({"a":5.0})"));
  EXPECT_TRUE(Holds(Except({}), R"({"a":{}})"));
  for (const char* payload : {"{}", R"({"a":null})", R"({"a":[]})", R"({"a":[null]})"}) {
    EXPECT_FALSE(Holds(Except({}), payload)) << payload;
  }
}

TEST(ConditionTest, TextIsASubstring) {
  const FieldCondition text{"a", Match(MatchText{"ell"})};
  EXPECT_TRUE(Holds(text, R"({"a":"hello"})"));
  EXPECT_TRUE(Holds(text, R"({"a":["x","bell"]})"));
  EXPECT_FALSE(Holds(text, R"({"a":"help"})"));
  EXPECT_FALSE(Holds(text, R"({"a":5})"));
}

TEST(ConditionTest, Ranges) {
  Range range;
  range.gt = 1;
  range.lte = 3;
  const FieldCondition number{"a", range};
  EXPECT_FALSE(Holds(number, R"({"a":1})"));
  EXPECT_TRUE(Holds(number, R"({"a":1.5})"));
  EXPECT_TRUE(Holds(number, R"({"a":3})"));
  EXPECT_FALSE(Holds(number, R"({"a":"2"})"));
  EXPECT_TRUE(Holds(FieldCondition{"a", Range{}}, R"({"a":18446744073709551615})"));
  DatetimeRange times;
  times.gte = ParseDatetime("2024-01-01");
  times.lt = ParseDatetime("2025-01-01");
  const FieldCondition year{"a", times};
  EXPECT_TRUE(Holds(year, R"({"a":"2024-06-01T12:00:00+02:00"})"));
  EXPECT_FALSE(Holds(year, R"({"a":"2025-01-01T00:00:00Z"})"));
  EXPECT_FALSE(Holds(year, R"({"a":"soon"})"));
  EXPECT_FALSE(Holds(year, R"({"a":1717236000})"));
}

TEST(ConditionTest, ValuesCount) {
  const auto count = [](uint64_t n) {
    ValuesCount values;
    values.gte = n;
    values.lte = n;
    return FieldCondition{"a", values};
  };
  EXPECT_TRUE(Holds(count(0), "{}"));
  EXPECT_TRUE(Holds(count(0), R"({"a":null})"));
  EXPECT_TRUE(Holds(count(0), R"({"a":[]})"));
  EXPECT_TRUE(Holds(count(1), R"({"a":"x"})"));
  EXPECT_TRUE(Holds(count(3), R"({"a":[1,null,[]]})"));
  EXPECT_FALSE(Holds(count(0), R"({"a":"x"})"));
}

TEST(ConditionTest, EmptyAndNull) {
  const IsEmptyCondition empty{"a"};
  const IsNullCondition null{"a"};
  struct Case {
    const char* payload;
    bool is_empty, is_null;
  };
  for (const Case& c : {Case{"{}", true, false},
                        {R"({"a":null})", true, true},
                        {R"({"a":[]})", true, false},
                        {R"({"a":[null]})", false, true},
                        {R"({"a":[1,null]})", false, true},
                        {R"({"a":0})", false, false},
                        {R"({"a":""})", false, false},
                        {R"({"a":{}})", false, false}}) {
    EXPECT_EQ(Holds(empty, c.payload), c.is_empty) << c.payload;
    EXPECT_EQ(Holds(null, c.payload), c.is_null) << c.payload;
  }
}

TEST(ConditionTest, Geography) {
  // Berlin; Potsdam is 27 km away, Hamburg 255 km.
  const FieldCondition near{"a", GeoRadius{{13.404954, 52.520008}, 30'000}};
  EXPECT_TRUE(Holds(near, R"({"a":{"lon":13.0645,"lat":52.3906}})"));
  EXPECT_FALSE(Holds(near, R"({"a":{"lon":9.9937,"lat":53.5511}})"));
  EXPECT_TRUE(Holds(near, R"({"a":[{"lon":0,"lat":0},{"lon":13.4,"lat":52.5}]})"));
  EXPECT_FALSE(Holds(near, R"({"a":{"lon":13.4}})"));
  const FieldCondition box{"a", GeoBoundingBox{{13.0, 53.0}, {14.0, 52.0}}};
  EXPECT_TRUE(Holds(box, R"({"a":{"lon":13.4,"lat":52.5}})"));
  EXPECT_FALSE(Holds(box, R"({"a":{"lon":12.9,"lat":52.5}})"));
  const FieldCondition pacific{"a", GeoBoundingBox{{170.0, 10.0}, {-170.0, -10.0}}};
  EXPECT_TRUE(Holds(pacific, R"({"a":{"lon":179,"lat":0}})"));
  EXPECT_TRUE(Holds(pacific, R"({"a":{"lon":-179,"lat":0}})"));
  EXPECT_FALSE(Holds(pacific, R"({"a":{"lon":0,"lat":0}})"));
}

TEST(ConditionTest, NestedWantsOneElementForAll) {
  auto inner = std::make_shared<Filter>();
  inner->must.push_back(Value(std::string("x"), "name"));
  inner->must.push_back(Value(int64_t{2}, "n"));
  const NestedCondition nested{"a", inner};
  EXPECT_TRUE(Holds(nested, R"({"a":[{"name":"y","n":1},{"name":"x","n":2}]})"));
  EXPECT_FALSE(Holds(nested, R"({"a":[{"name":"x","n":1},{"name":"y","n":2}]})"));
  EXPECT_FALSE(Holds(nested, R"({"a":{"name":"x","n":2}})"));  // Not an array.
  EXPECT_FALSE(Holds(nested, "{}"));
  auto no_x = std::make_shared<Filter>();
  no_x->must_not.push_back(Value(std::string("x"), "name"));
  EXPECT_TRUE(Holds(NestedCondition{"a[]", no_x}, R"({"a":[{"name":"x"},{}]})"));
  EXPECT_FALSE(Holds(NestedCondition{"a", no_x}, R"({"a":[{"name":"x"},5]})"));
}

TEST(ConditionTest, Clauses) {
  Filter filter;
  EXPECT_TRUE(Holds(filter, "{}"));  // The empty filter matches all.
  filter.must_not.push_back(Value(int64_t{1}));
  EXPECT_TRUE(Holds(filter, "{}"));  // Points that lack the field are included.
  EXPECT_FALSE(Holds(filter, R"({"a":[1,2]})"));
  filter.should = {Value(int64_t{2}, "b"), Value(int64_t{3}, "b")};
  EXPECT_FALSE(Holds(filter, "{}"));
  EXPECT_TRUE(Holds(filter, R"({"b":3})"));
  Filter least;
  least.min_should =
      MinShould{{Value(int64_t{1}), Value(int64_t{1}, "b"), IsEmptyCondition{"c"}}, 2};
  EXPECT_TRUE(Holds(least, R"({"a":1})"));
  EXPECT_FALSE(Holds(least, R"({"a":1,"c":1})"));
  least.min_should->min_count = 4;
  EXPECT_FALSE(Holds(least, R"({"a":1,"b":1})"));
  least.min_should->min_count = 0;
  EXPECT_TRUE(Holds(least, R"({"c":1})"));
}

TEST(ConditionTest, IdsAndVectors) {
  EXPECT_TRUE(Holds(HasIdCondition{{uint64_t{1}, uint64_t{7}}}, "{}"));
  EXPECT_FALSE(Holds(HasIdCondition{{uint64_t{1}, Uuid{}}}, "{}"));
  EXPECT_FALSE(Holds(HasVectorCondition{"image"}, "{}"));
  const auto has_image = [](const std::string& name) { return name == "image"; };
  EXPECT_TRUE(
      MatchesFilter(Must(HasVectorCondition{"image"}), "{}", uint64_t{1}, has_image).value());
  EXPECT_FALSE(MatchesFilter(Must(HasVectorCondition{""}), "{}", uint64_t{1}, has_image).value());
}

TEST(ConditionTest, BadPathsAndDepthAreRefused) {
  EXPECT_EQ(CheckFilter(Must(Value(true, "a..b"))).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(CheckFilter(Must(IsEmptyCondition{""})).error().code, ErrorCode::kInvalidArgument);
  auto filter = std::make_shared<const Filter>();
  for (int i = 0; i < 63; ++i) {
    filter = std::make_shared<const Filter>(Must(FilterCondition{filter}));
  }
  EXPECT_TRUE(CheckFilter(*filter));
  EXPECT_EQ(CheckFilter(Must(FilterCondition{filter})).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace almagest
