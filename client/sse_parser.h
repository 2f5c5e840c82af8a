// Server-sent events, parsed from bytes as they arrive (WHATWG HTML, "Server-sent events", 9.2.6).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace almagest::client {

struct SseEvent {
  std::string id;  // Empty: none given.
  std::string event = "message";
  std::string data;  // Lines joined by '\n'.
};

// Feed it any split of the stream; complete events come out in order. Comments (lines that start
// with ':') and unknown fields are skipped. LF, CRLF and CR line ends are all accepted.
// Not thread-safe.
class SseParser {
 public:
  // Calls `on_event` for each event that `bytes` completes; stops early and returns false when it
  // returns false.
  bool Feed(std::string_view bytes, const std::function<bool(const SseEvent&)>& on_event);

 private:
  bool TakeLine(std::string_view line, const std::function<bool(const SseEvent&)>& on_event);

  std::string line_;
  bool after_carriage_return_ = false;
  SseEvent event_;
  bool has_data_ = false;
};

}  // namespace almagest::client
