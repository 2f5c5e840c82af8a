// JSON in and out: the writer's numbers and strings, the reader's errors and limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "http/error_response.h"
#include "http/json_reader.h"
#include "http/json_writer.h"

namespace almagest {
namespace {

using ::testing::HasSubstr;

std::string FloatText(float value) { return JsonWriter().Float(value).Take(); }

TEST(JsonWriter, WritesFloatsInTheShortestFormThatReadsBack) {
  EXPECT_EQ(FloatText(0.05f), "0.05");
  EXPECT_EQ(FloatText(1.0f), "1");
  EXPECT_EQ(FloatText(-0.61f), "-0.61");
  EXPECT_EQ(FloatText(16777216.0f), "16777216");
  const uint64_t seed = 20240611;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const uint32_t bits = static_cast<uint32_t>(random());
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    if (!std::isfinite(value)) continue;
    EXPECT_EQ(std::strtof(FloatText(value).c_str(), nullptr), value);
  }
}

TEST(JsonWriter, NeverWritesWhatJsonDoesNotHave) {
  EXPECT_EQ(FloatText(std::numeric_limits<float>::quiet_NaN()), "null");
  EXPECT_EQ(JsonWriter().Double(-std::numeric_limits<double>::infinity()).Take(), "null");
}

TEST(JsonWriter, PlacesCommasAndEscapes) {
  JsonWriter json;
  json.BeginObject().Key("a\"b").BeginArray().Unsigned(UINT64_MAX).Integer(-1).EndArray();
  json.Key("t").String("line\nzero\x01 \xC3\xA4 \xFF").Key("n").Null().EndObject();
  EXPECT_EQ(json.text(),
            "{\"a\\\"b\":[18446744073709551615,-1],\"t\":\"line\\nzero\\u0001 \xC3\xA4 "
            "\xEF\xBF\xBD\",\"n\":null}");
  EXPECT_TRUE(ParseJsonBody(json.text()).has_value());
}

TEST(JsonWriter, ReplacesOverlongAndSurrogateSequences) {
  EXPECT_EQ(JsonWriter().String("\xC0\x80").Take(), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(JsonWriter().String("\xED\xA0\x80").Take(), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

struct BrokenJson {
  const char* name;
  std::string text;
};

TEST(JsonReader, RefusesBrokenText) {
  const BrokenJson cases[] = {
      {"empty", ""},
      {"garbage", "xx"},
      {"truncated", R"({"a": [1, 2)"},
      {"trailing", R"({"a": 1} x)"},
      {"invalid UTF-8", "{\"a\": \"\xC3\x28\"}"},
      {"byte order mark", "\xEF\xBB\xBF{}"},
      {"lone surrogate", R"({"a": "\ud800"})"},
      {"number beyond double", R"({"a": 1e400})"},
      {"NaN", R"({"a": NaN})"},
      {"10,000 levels", std::string(10'000, '[') + std::string(10'000, ']')},
      {"10,000 levels, never closed", std::string(10'000, '[')},
  };
  for (const BrokenJson& broken : cases) {
    SCOPED_TRACE(broken.name);
    const auto value = ParseJsonBody(broken.text);
    ASSERT_FALSE(value.has_value());
    EXPECT_EQ(StatusOf(value.error().code), 400u);
    EXPECT_THAT(ErrorText(value.error()), HasSubstr("Format error in JSON body:"));
  }
}

TEST(JsonReader, SaysWhereBrokenTextIsBroken) {
  const auto message = [](std::string_view text) { return ErrorText(ParseJsonBody(text).error()); };
  EXPECT_EQ(message(R"({"a": [18446744073709551616, {"b": -9223372036854775809 1}]})"),
            "Format error in JSON body: [a[1].b]: this is not valid JSON at byte 57");
  EXPECT_EQ(message(R"({"a": {"v": [1, 2], "w": [0, 1e400]}})"),
            "Format error in JSON body: [a.w[1]]: 1e400 is out of range, numbers are 64-bit floats");
  EXPECT_EQ(message(R"({"a": [1, 2, NaN]})"),
            "Format error in JSON body: [a[2]]: this is not valid JSON at byte 14");
  EXPECT_EQ(message("xx"), "Format error in JSON body: this is not valid JSON at byte 1");
}

TEST(JsonReader, NamesTheDepthLimitAndKeepsWorkingAfterwards) {
  const std::string deep =
      std::string(kJsonDepthMax + 1, '[') + std::string(kJsonDepthMax + 1, ']');
  EXPECT_THAT(ParseJsonBody(deep).error().message, HasSubstr("deeper than 160 levels"));
  const std::string fine =
      std::string(kJsonDepthMax - 1, '[') + std::string(kJsonDepthMax - 1, ']');
  EXPECT_TRUE(ParseJsonBody(fine).has_value());
}

TEST(JsonReader, NamesThePathOfAWrongType) {
  const auto body = ParseJsonBody(R"({"points": [{"id": 1}, {"id": true, "n": -3}]})");
  ASSERT_TRUE(body.has_value());
  const auto points = body->Require("points")->Items();
  ASSERT_TRUE(points.has_value());
  const JsonValue& second = (*points)[1];
  EXPECT_EQ(second.Require("id")->AsUnsigned().error().message,
            "Format error in JSON body: [points[1].id]: expected a whole number, got a boolean");
  EXPECT_THAT(second.Require("n")->AsUnsigned().error().message, HasSubstr("from 0 on, got -3"));
  EXPECT_THAT(second.Require("vector").error().message, HasSubstr("missing field `vector`"));
  EXPECT_THAT(second.RefuseUnknownKeys({"id"}).error().message, HasSubstr("unknown field `n`"));
}

TEST(JsonReader, KeepsWholeNumbersWhole) {
  const auto body = ParseJsonBody(R"({"a": 18446744073709551615, "b": 10.0, "c": null})");
  ASSERT_TRUE(body.has_value());
  EXPECT_EQ(*body->FindUnsigned("a"), UINT64_MAX);
  EXPECT_FALSE(body->FindUnsigned("b").has_value());
  EXPECT_FALSE(body->Find("c").has_value());
}

TEST(JsonReader, WholeNumbersBeyond64BitsAreFloats) {
  const auto body = ParseJsonBody(
      R"({"a": 18446744073709551616, "b": [-9223372036854775809,100000000000000000000],
          "s": "1\" 18446744073709551616", "c": -9223372036854775808, "d": 1E2,
          "n": 00})");
  EXPECT_FALSE(body.has_value()) << "a number with a leading zero stays none";
  const auto fine = ParseJsonBody(
      R"({"a": 18446744073709551616, "b": [-9223372036854775809,100000000000000000000],
          "s": "1\" 18446744073709551616", "c": -9223372036854775808, "d": 1E2})");
  ASSERT_TRUE(fine.has_value()) << fine.error().message;
  EXPECT_EQ(*fine->FindDouble("a"), 18446744073709551616.0);
  EXPECT_FALSE(fine->FindUnsigned("a").has_value());
  const auto items = fine->Find("b")->Items();
  ASSERT_TRUE(items.has_value());
  EXPECT_EQ((*items)[0].AsDouble(), -9223372036854775809.0);
  EXPECT_EQ((*items)[1].AsDouble(), 1e20);
  EXPECT_EQ(fine->FindString("s"), "1\" 18446744073709551616");
  EXPECT_EQ(fine->Find("c")->AsInteger(), INT64_MIN);
  EXPECT_EQ(*fine->FindDouble("d"), 100);
}

TEST(ErrorText, FollowsTheEnvelopeTable) {
  EXPECT_EQ(ErrorText({ErrorCode::kInvalidArgument, "x"}), "Wrong input: x");
  EXPECT_EQ(ErrorText({ErrorCode::kOutOfRange, "x"}), "Validation error in JSON body: [x]");
  EXPECT_EQ(ErrorText(ValueError("limit", "0", "1 or larger")),
            "Validation error in JSON body: [limit: value 0 invalid, must be 1 or larger]");
  EXPECT_EQ(ErrorText({ErrorCode::kNotFound, "x"}), "Not found: x");
  EXPECT_EQ(StatusOf(ErrorCode::kAlreadyExists), 409u);
  EXPECT_EQ(StatusOf(ErrorCode::kStorageFull), 507u);
  const HttpResponse response = ErrorResponse({ErrorCode::kUnavailable, "busy \"now\""}, 0.5);
  EXPECT_EQ(response.status, 503u);
  EXPECT_EQ(response.body,
            R"({"status":{"error":"Service unavailable: busy \"now\""},"time":0.5})");
}

}  // namespace
}  // namespace almagest
