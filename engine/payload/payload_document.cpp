#include "engine/payload/payload_document.h"

#include <string>

namespace almagest {

Result<JsonElement> ReadPayload(std::string_view payload) {
  thread_local simdjson::dom::parser parser;
  if (payload.empty()) payload = "{}";
  JsonElement element;
  const auto error = parser.parse(payload.data(), payload.size()).get(element);
  if (error) {
    return Fail(ErrorCode::kCorruption,
                std::string("a stored payload is not JSON: ") + simdjson::error_message(error));
  }
  if (!element.is_object()) return Fail(ErrorCode::kCorruption, "a stored payload is no object");
  return element;
}

}  // namespace almagest
