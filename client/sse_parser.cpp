#include "client/sse_parser.h"

namespace almagest::client {

bool SseParser::Feed(std::string_view bytes, const std::function<bool(const SseEvent&)>& on_event) {
  for (const char byte : bytes) {
    if (byte == '\n' && after_carriage_return_) {  // The second half of CRLF.
      after_carriage_return_ = false;
      continue;
    }
    after_carriage_return_ = byte == '\r';
    if (byte != '\n' && byte != '\r') {
      line_ += byte;
      continue;
    }
    const std::string line = std::move(line_);
    line_.clear();
    if (!TakeLine(line, on_event)) return false;
  }
  return true;
}

bool SseParser::TakeLine(std::string_view line,
                         const std::function<bool(const SseEvent&)>& on_event) {
  if (line.empty()) {  // The end of an event; one without data is dropped (the standard says so).
    const SseEvent done = std::move(event_);
    const bool complete = has_data_;
    event_ = SseEvent();
    has_data_ = false;
    return !complete || on_event(done);
  }
  if (line.front() == ':') return true;
  const size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    if (has_data_) event_.data += '\n';
    event_.data += value;
    has_data_ = true;
  } else if (field == "event") {
    event_.event = value;
  } else if (field == "id") {
    event_.id = value;
  }
  return true;
}

}  // namespace almagest::client
