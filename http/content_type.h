// What kind of body a request has, by its headers, whose words are the same in upper and lower
// case.
#pragma once

#include <string_view>

#include "http/http_message.h"

namespace almagest {

inline constexpr const char* kBytesContentType = "application/octet-stream";

// Whether `given` is `word`, which is in lower case.
bool IsWord(std::string_view given, std::string_view word);
// Whether a Content-Type names `expected`, with or without parameters.
bool HasContentType(std::string_view type, std::string_view expected);
// Whether the body is announced as bytes: an array where others send JSON.
bool HasBytes(const HttpRequest& request);

}  // namespace almagest
