#include "engine/payload/payload_selector.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace almagest {
namespace {

constexpr char kPayload[] = R"({"a":1,"b":{"c":2,"d":[{"e":3,"f":4},{"e":5},6]},"g":[7,8]})";

std::string Select(PayloadSelector::Mode mode, const std::vector<std::string>& paths = {}) {
  PayloadSelector selector;
  selector.mode = mode;
  for (const std::string& path : paths) selector.paths.push_back(*PayloadPath::Parse(path));
  return SelectPayload(selector, kPayload);
}

TEST(PayloadSelectorTest, AllOrNothing) {
  EXPECT_EQ(Select(PayloadSelector::Mode::kAll), kPayload);
  EXPECT_EQ(Select(PayloadSelector::Mode::kNone), "{}");
  EXPECT_EQ(SelectPayload({PayloadSelector::Mode::kAll, {}}, ""), "{}");
}

TEST(PayloadSelectorTest, Include) {
  const auto include = [](const std::vector<std::string>& paths) {
    return Select(PayloadSelector::Mode::kInclude, paths);
  };
  EXPECT_EQ(include({}), "{}");
  EXPECT_EQ(include({"a", "absent"}), R"({"a":1})");
  EXPECT_EQ(include({"b.c"}), R"({"b":{"c":2}})");
  EXPECT_EQ(include({"b.c", "b"}), R"({"b":{"c":2,"d":[{"e":3,"f":4},{"e":5},6]}})");
  EXPECT_EQ(include({"b.d[].e"}), R"({"b":{"d":[{"e":3},{"e":5}]}})");
  EXPECT_EQ(include({"b.d[0]"}), R"({"b":{"d":[{"e":3,"f":4}]}})");
  EXPECT_EQ(include({"g[]"}), R"({"g":[7,8]})");
}

TEST(PayloadSelectorTest, Exclude) {
  const auto exclude = [](const std::vector<std::string>& paths) {
    return Select(PayloadSelector::Mode::kExclude, paths);
  };
  EXPECT_EQ(exclude({}), kPayload);
  EXPECT_EQ(exclude({"b"}), R"({"a":1,"g":[7,8]})");
  EXPECT_EQ(exclude({"b.d", "g"}), R"({"a":1,"b":{"c":2}})");
  EXPECT_EQ(exclude({"b.d[].e", "a.x"}), R"({"a":1,"b":{"c":2,"d":[{"f":4},{},6]},"g":[7,8]})");
  EXPECT_EQ(exclude({"g[1]"}), R"({"a":1,"b":{"c":2,"d":[{"e":3,"f":4},{"e":5},6]},"g":[7]})");
}

}  // namespace
}  // namespace almagest
