#include "engine/payload/payload_path.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace almagest {
namespace {

using Key = PayloadPath::Key;
using Index = PayloadPath::Index;
using Wildcard = PayloadPath::Wildcard;

TEST(PayloadPathTest, Parses) {
  const auto path = PayloadPath::Parse(R"(foo[1][50].bar-baz[]."qux[.]quux")");
  ASSERT_TRUE(path) << path.error().message;
  const std::vector<PayloadPath::Step> steps = {Key{"foo"},     Index{1},   Index{50},
                                                Key{"bar-baz"}, Wildcard{}, Key{"qux[.]quux"}};
  EXPECT_EQ(path->steps(), steps);
  EXPECT_EQ(path->ToString(), R"(foo[1][50].bar-baz[]."qux[.]quux")");
  EXPECT_EQ(PayloadPath::Parse("größe")->steps().size(), 1u);
  EXPECT_EQ(PayloadPath::Parse(R"("")")->ToString(), R"("")");
}

TEST(PayloadPathTest, OneSpellingPerPath) {
  EXPECT_EQ(PayloadPath::Parse(R"("a"."b c")")->ToString(), R"(a."b c")");
  EXPECT_EQ(*PayloadPath::Parse(R"("a".b)"), *PayloadPath::Parse("a.b"));
}

TEST(PayloadPathTest, RefusesWhatIsNoPath) {
  for (const char* text : {"", ".", "a.", ".a", "a..b", "[0]", "a[", "a[x]", "a[-1]", "a]", "a[0",
                           "a[0]b", "a b", "\"a", "\"a\\\"\"", "a[99999999999999999999]", "a$"}) {
    const auto path = PayloadPath::Parse(text);
    ASSERT_FALSE(path) << text;
    EXPECT_EQ(path.error().code, ErrorCode::kInvalidArgument);
  }
  std::string deep = "a";
  for (int i = 0; i < 63; ++i) deep += ".a";
  EXPECT_TRUE(PayloadPath::Parse(deep));
  EXPECT_FALSE(PayloadPath::Parse(deep + ".a"));
  EXPECT_FALSE(PayloadPath::Parse(std::string(1 << 20, '.')));
}

TEST(PayloadPathTest, ElementsAndAppend) {
  const PayloadPath path = *PayloadPath::Parse("a.b");
  EXPECT_EQ(path.Elements().ToString(), "a.b[]");
  EXPECT_EQ(path.Elements().Elements().ToString(), "a.b[]");
  EXPECT_EQ(path.Elements().Append(*PayloadPath::Parse("c")).ToString(), "a.b[].c");
}

}  // namespace
}  // namespace almagest
