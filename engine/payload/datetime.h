// Dates and times as payloads and filters spell them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace almagest {

// Microseconds since 1970-01-01T00:00:00Z of an RFC 3339 time, of one without an offset (UTC) or
// with a space for the `T`, or of a plain date (midnight UTC). Years 0000 to 9999; digits beyond
// microseconds are cut. nullopt for any other text.
std::optional<int64_t> ParseDatetime(std::string_view text);

}  // namespace almagest
