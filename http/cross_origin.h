// Cross-origin requests (the Fetch standard's CORS protocol), where they are switched on, from
// every origin: browsers may call the server from any page. Off unless asked for, because a server
// on this machine without a key would then be open to every page that is visited.
#pragma once

#include "http/http_message.h"

namespace almagest {

// Whether a browser asks, before it sends a request, if it may.
bool IsPreflight(const HttpRequest& request);
// Every method and the headers that it named, for a day.
HttpResponse PreflightResponse(const HttpRequest& request);
// To every answer to a request that names its origin.
void AllowOrigin(const HttpRequest& request, HttpResponse& response);

}  // namespace almagest
