#include "http/cross_origin.h"

namespace almagest {

bool IsPreflight(const HttpRequest& request) {
  return request.method == "OPTIONS" && request.FindHeader("origin") != nullptr &&
         request.FindHeader("access-control-request-method") != nullptr;
}

HttpResponse PreflightResponse(const HttpRequest& request) {
  HttpResponse response;
  response.content_type = "text/plain";
  response.headers.emplace_back("Access-Control-Allow-Methods",
                                "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  if (const std::string* names = request.FindHeader("access-control-request-headers")) {
    response.headers.emplace_back("Access-Control-Allow-Headers", *names);
  }
  response.headers.emplace_back("Access-Control-Max-Age", "86400");
  AllowOrigin(request, response);
  return response;
}

void AllowOrigin(const HttpRequest& request, HttpResponse& response) {
  if (request.FindHeader("origin") == nullptr) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
  response.headers.emplace_back("Access-Control-Expose-Headers", "*");
}

}  // namespace almagest
