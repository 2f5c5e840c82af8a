// gzip (RFC 1952) for answers, where the client takes it and the size makes it worth the time, and
// for the bodies of requests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace almagest {

// Whether an Accept-Encoding header allows gzip (RFC 9110, 12.5.3: "gzip;q=0" does not).
bool AcceptsGzip(std::string_view accept_encoding);

// At the fastest level: about 100 MB/s of JSON, to a third of its size. Empty when it fails.
std::string Gzip(std::string_view text);

enum class Unpacked : uint8_t { kDone, kBroken, kTooLarge };

// Appends what `packed` holds to `text`, which never grows beyond `bytes_max`, however small the
// packed form: work and memory end there.
Unpacked Gunzip(std::string_view packed, size_t bytes_max, std::string& text);

}  // namespace almagest
