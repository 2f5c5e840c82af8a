#include "engine/payload/payload.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace almagest {
namespace {

std::string Canonical(std::string_view json) {
  const auto payload = CanonicalPayload(json);
  EXPECT_TRUE(payload) << payload.error().message;
  return payload.value_or("");
}

TEST(CanonicalPayloadTest, OneTextPerValue) {
  EXPECT_EQ(Canonical(R"( { "b" : [ 1 , "x" ] , "a" : null } )"), R"({"a":null,"b":[1,"x"]})");
  EXPECT_EQ(Canonical(R"({"a":1,"a":2})"), R"({"a":2})");
  EXPECT_EQ(Canonical(R"({"a":"\u00e9\/\n"})"), "{\"a\":\"\xc3\xa9/\\n\"}");
  EXPECT_EQ(Canonical(R"({"a":"\u0000"})"), R"({"a":"\u0000"})");
  EXPECT_EQ(Canonical("{}"), "{}");
}

TEST(CanonicalPayloadTest, NumbersKeepTheirKind) {
  EXPECT_EQ(Canonical(R"({"a":5})"), R"({"a":5})");
  EXPECT_EQ(Canonical(R"({"a":5.0})"), R"({"a":5.0})");
  EXPECT_EQ(Canonical(R"({"a":0.1})"), R"({"a":0.1})");
  EXPECT_EQ(Canonical(R"({"a":[-9223372036854775808,18446744073709551615]})"),
            R"({"a":[-9223372036854775808,18446744073709551615]})");
  EXPECT_EQ(Canonical(R"({"a":18446744073709551616})"), R"({"a":1.8446744073709552e+19})");
}

TEST(CanonicalPayloadTest, BadInputIsNamed) {
  for (const std::string_view json :
       {"", " ", "[]", "1", "null", "{", "{\"a\":}", "{\"a\":1}x", "{a:1}", "{\"a\":NaN}",
        "{\"a\":1e999}", "{\"a\":\"\xff\"}", "{\"a\":\"\\ud800\"}", "{\"a\":01}"}) {
    const auto payload = CanonicalPayload(json);
    ASSERT_FALSE(payload) << json;
    EXPECT_EQ(payload.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(payload.error().message.starts_with("the payload ")) << payload.error().message;
  }
}

TEST(CanonicalPayloadTest, DepthIsLimited) {
  const auto nested = [](size_t arrays) {
    return "{\"a\":" + std::string(arrays, '[') + std::string(arrays, ']') + "}";
  };
  EXPECT_TRUE(CanonicalPayload(nested(kPayloadDepthMax - 1)));
  EXPECT_FALSE(CanonicalPayload(nested(kPayloadDepthMax)));
  EXPECT_FALSE(CanonicalPayload(nested(1'000'000)));
  EXPECT_TRUE(CanonicalPayload(R"({"a":"\"[[[)" + std::string(1000, '[') + "\"}"));
}

TEST(MergePayloadTest, ReplacesTopLevelKeys) {
  EXPECT_EQ(MergePayload(R"({"a":1,"b":{"c":1}})", R"({"b":{"d":2},"e":3})").value(),
            R"({"a":1,"b":{"d":2},"e":3})");
  EXPECT_EQ(MergePayload("", R"({"a":1})").value(), R"({"a":1})");
  EXPECT_EQ(MergePayload(R"({"a":1,"b":2})", R"({"a":null})").value(), R"({"b":2})");
  EXPECT_EQ(MergePayload(R"({"a":1})", "{}").value(), R"({"a":1})");
}

TEST(MergePayloadTest, UnderAPath) {
  const auto merge = [](std::string_view payload, std::string_view path) {
    return MergePayload(payload, R"({"x":1})", path).value_or("error");
  };
  EXPECT_EQ(merge("{}", "a.b"), R"({"a":{"b":{"x":1}}})");
  EXPECT_EQ(merge(R"({"a":{"y":2}})", "a"), R"({"a":{"x":1,"y":2}})");
  EXPECT_EQ(merge(R"({"a":5})", "a.b"), R"({"a":{"b":{"x":1}}})");
  EXPECT_EQ(merge(R"({"a":[{"y":1},2]})", "a[]"), R"({"a":[{"x":1,"y":1},{"x":1}]})");
  EXPECT_EQ(merge(R"({"a":[{},{}]})", "a[1]"), R"({"a":[{},{"x":1}]})");
  EXPECT_EQ(merge(R"({"a":[{}]})", "a[7]"), R"({"a":[{}]})");
  EXPECT_EQ(merge("{}", "a[]"), R"({"a":[]})");
}

TEST(MergePayloadTest, BadInput) {
  EXPECT_FALSE(MergePayload("{}", "[1]"));
  EXPECT_FALSE(MergePayload("{}", "{}", "a..b"));
  std::string nested = "{}";
  for (size_t i = 1; i < kPayloadDepthMax; ++i) nested = "{\"a\":" + nested + "}";
  EXPECT_TRUE(MergePayload("{}", nested));
  EXPECT_FALSE(MergePayload("{}", nested, "b"));  // One level too many.
}

TEST(DeletePayloadKeysTest, RemovesWhatThePathsName) {
  const auto remove = [](std::string_view payload, const std::vector<std::string>& paths) {
    return DeletePayloadKeys(payload, paths).value_or("error");
  };
  EXPECT_EQ(remove(R"({"a":1,"b":2})", {"a"}), R"({"b":2})");
  EXPECT_EQ(remove(R"({"a":1,"b":2})", {"a", "b", "c", "a.b", "a[]"}), "{}");
  EXPECT_EQ(remove(R"({"a":{"b":1,"c":2}})", {"a.b"}), R"({"a":{"c":2}})");
  EXPECT_EQ(remove(R"({"a":[{"b":1},{"b":2,"c":3}]})", {"a[].b"}), R"({"a":[{},{"c":3}]})");
  EXPECT_EQ(remove(R"({"a":[1,2,3]})", {"a[1]"}), R"({"a":[1,3]})");
  EXPECT_EQ(remove(R"({"a":[1,2,3]})", {"a[]"}), R"({"a":[]})");
  EXPECT_EQ(remove("", {"a"}), "{}");
  EXPECT_EQ(remove("{}", {"a."}), "error");
}

}  // namespace
}  // namespace almagest
