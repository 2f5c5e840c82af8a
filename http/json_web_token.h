// JSON Web Tokens (RFC 7519) as Qdrant's clients make them: HS256, signed with the api key.
//
//   exp           seconds since 1970; half a minute of leeway
//   access        "r" or "m" for everything, or [{collection, access: "r" | "rw" | "prw"}]; absent:
//                 everything
//   value_exists  {collection, matches: [{key, value}]}: valid while such a point exists
// A constraint on payloads ({collection, access, payload}) is not supported by Qdrant any more, and
// is refused rather than ignored.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/access_rights.h"

namespace almagest {

enum class TokenVerdict : uint8_t {
  kValid,
  kMalformed,         // No token at all, another algorithm, or claims that say nothing usable.
  kInvalidSignature,  // Or by another key.
  kExpired,
  kUnsupportedClaim,  // A constraint that cannot be kept.
};

// Fills `rights` if the token is valid. `now` in seconds since 1970. Pure.
TokenVerdict ReadToken(std::string_view token, std::string_view key, int64_t now,
                       AccessRights* rights);

}  // namespace almagest
