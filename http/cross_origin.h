// Cross-origin requests (the Fetch standard's CORS protocol), open to every origin as Qdrant's are:
// browsers may call the server from any page. That gives nothing away where an API key is set,
// since a page has to know the key.
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
