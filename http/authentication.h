// Who calls, by the key or token of the request: `api-key: KEY` or `Authorization: Bearer KEY`.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/access_rights.h"
#include "http/http_message.h"

namespace almagest {

// Empty keys are not set. Without any, everybody may do everything.
struct AuthenticationOptions {
  std::string api_key;              // Every right.
  std::string alternative_api_key;  // The same: for changing keys without a pause.
  std::string read_only_api_key;    // Reads everything.
  bool tokens = false;              // Accept JSON Web Tokens signed with the first two.

  bool any() const {
    return !api_key.empty() || !alternative_api_key.empty() || !read_only_api_key.empty();
  }
};

// Whether two secrets are equal, in a time that depends on their lengths only.
bool SecretsEqual(std::string_view a, std::string_view b);

// Rights, or the refusal: 401 or 403 as plain text, as Qdrant answers. Reads headers only, so it is
// asked before the body is read. Thread-safe.
struct Authentication {
  std::shared_ptr<const AccessRights> rights;
  std::optional<HttpResponse> refusal;
};
Authentication Authenticate(const HttpRequest& request, const AuthenticationOptions& options);

// 401 or 403 as plain text.
HttpResponse AccessRefusal(unsigned status, std::string text);

// Whether only this machine can reach a socket bound to `host`: 127.0.0.0/8, ::1, "localhost".
bool IsLoopback(std::string_view host);

// Whether a Host header names this machine: "localhost", a name below it, or a loopback address,
// with or without a port. A page of a stranger's site whose name has been made to lead here ("DNS
// rebinding") says that name, and its browser takes our answers for the site's own.
bool NamesThisMachine(std::string_view host_header);

}  // namespace almagest
