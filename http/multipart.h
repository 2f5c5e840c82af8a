// multipart/form-data (RFC 7578): finds one part of a body. Pure; copies nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace almagest {

// The boundary that a Content-Type announces; nullopt if it is not multipart/form-data.
std::optional<std::string> MultipartBoundary(std::string_view content_type);

// The content of the first part named `name`; nullopt if there is none or the form is broken.
// Linear in the size of the body.
std::optional<std::string_view> FindPart(std::string_view body, std::string_view boundary,
                                         std::string_view name);

}  // namespace almagest
