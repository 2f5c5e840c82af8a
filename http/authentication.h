// Who may call what: one api key for the whole server, or none.
#pragma once

#include <string>
#include <string_view>

#include "http/http_message.h"

namespace almagest {

// Whether two secrets are equal, in a time that depends on their lengths only.
bool SecretsEqual(std::string_view a, std::string_view b);

// True when no key is set, or the request carries it as `api-key: KEY` or
// `Authorization: Bearer KEY`. Reads headers only, so it is asked before the body is read.
bool IsAuthorized(const HttpRequest& request, const std::string& api_key);

// 401 as plain text, as Qdrant answers.
HttpResponse UnauthorizedResponse();

// Whether only this machine can reach a socket bound to `host`: 127.0.0.0/8, ::1, "localhost".
bool IsLoopback(std::string_view host);

}  // namespace almagest
