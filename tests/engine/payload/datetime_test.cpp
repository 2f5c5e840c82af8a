#include "engine/payload/datetime.h"

#include <gtest/gtest.h>
#include <time.h>

#include <cstdio>
#include <random>

namespace almagest {
namespace {

TEST(DatetimeTest, Spellings) {
  constexpr int64_t kSecond = 1'000'000;
  EXPECT_EQ(ParseDatetime("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(ParseDatetime("1970-01-01"), 0);
  EXPECT_EQ(ParseDatetime("1970-01-01 00:00:01"), kSecond);
  EXPECT_EQ(ParseDatetime("1970-01-01t00:00:01z"), kSecond);
  EXPECT_EQ(ParseDatetime("1970-01-01T00:01"), 60 * kSecond);
  EXPECT_EQ(ParseDatetime("1970-01-01T00:00:00.5Z"), kSecond / 2);
  EXPECT_EQ(ParseDatetime("1970-01-01T00:00:00.1234567Z"), 123456);
  EXPECT_EQ(ParseDatetime("1970-01-01T01:00:00+01:00"), 0);
  EXPECT_EQ(ParseDatetime("1970-01-01T00:00:00-00:30"), 1800 * kSecond);
  EXPECT_EQ(ParseDatetime("1969-12-31T23:59:59.999999Z"), -1);
  EXPECT_EQ(ParseDatetime("2000-02-29T00:00:00Z"), 951782400 * kSecond);
}

TEST(DatetimeTest, AgreesWithTheSystemCalendar) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 2000; ++i) {
    // Years 1 to 9999.
    const auto seconds = static_cast<time_t>(random() % 315'000'000'000) - 62'135'000'000;
    tm parts{};
    ASSERT_NE(gmtime_r(&seconds, &parts), nullptr);
    char text[64];
    std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900,
                  parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
    EXPECT_EQ(ParseDatetime(text), int64_t{seconds} * 1'000'000) << text;
  }
}

TEST(DatetimeTest, OtherTextIsNoTime) {
  for (const char* text :
       {"", "now", "1970", "1970-1-1", "1970-13-01", "1970-00-01", "1970-02-30", "1900-02-29",
        "1970-01-01T", "1970-01-01T24:00:00Z", "1970-01-01T00:60:00Z", "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00Zx", "1970-01-01T00:00:00+1",
        "1970-01-01T00:00:00+24:00", "+970-01-01", "1970-01-01x"}) {
    EXPECT_EQ(ParseDatetime(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace almagest
