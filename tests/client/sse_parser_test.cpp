#include "client/sse_parser.h"

#include <gtest/gtest.h>

#include <vector>

namespace almagest::client {
namespace {

constexpr std::string_view kStream =
    ": hello\n"
    "id: 1\r\n"
    "data: first\r\n"
    "\r\n"
    "event: end\n"
    "data:two\n"
    "data: lines\n"
    "ignored: field\n"
    "\n"
    "event: no data, no event\n"
    "\n"
    "data\n"
    "\n"
    "data: unfinished\n";

std::vector<SseEvent> ParseInPieces(size_t piece) {
  SseParser parser;
  std::vector<SseEvent> events;
  for (size_t at = 0; at < kStream.size(); at += piece) {
    EXPECT_TRUE(parser.Feed(kStream.substr(at, piece), [&](const SseEvent& event) {
      events.push_back(event);
      return true;
    }));
  }
  return events;
}

TEST(SseParser, SameEventsForEverySplit) {
  for (size_t piece = 1; piece <= kStream.size(); ++piece) {
    SCOPED_TRACE(piece);
    const auto events = ParseInPieces(piece);
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[0].id, "1");
    EXPECT_EQ(events[0].event, "message");
    EXPECT_EQ(events[0].data, "first");
    EXPECT_EQ(events[1].id, "");
    EXPECT_EQ(events[1].event, "end");
    EXPECT_EQ(events[1].data, "two\nlines");
    EXPECT_EQ(events[2].data, "");
  }
}

TEST(SseParser, StopsWhenAskedTo) {
  SseParser parser;
  int seen = 0;
  EXPECT_FALSE(parser.Feed("data: 1\n\ndata: 2\n\n", [&](const SseEvent&) {
    ++seen;
    return false;
  }));
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace almagest::client
