#include "http/application.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <new>

#include "http/authentication.h"
#include "http/cross_origin.h"
#include "http/error_response.h"
#include "storage/base/log.h"

namespace almagest {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool HasBody(const HttpRequest& request) {
  const std::string* length = request.FindHeader("content-length");
  return (length != nullptr && *length != "0") ||
         request.FindHeader("transfer-encoding") != nullptr;
}

bool IsJsonContent(const HttpRequest& request) {
  const std::string* type = request.FindHeader("content-type");
  if (type == nullptr) return false;
  constexpr std::string_view kJson = "application/json";
  const std::string_view media = std::string_view(*type).substr(0, type->find(';'));
  return media.substr(0, kJson.size()) == kJson &&
         media.find_first_not_of(" \t", kJson.size()) == std::string_view::npos;
}

// Library exceptions end here: a handler's failure is the answer to one request.
Result<Reply> RunHandler(Service& service, const HttpRequest& request) {
  try {
    return request.route->handler(service, request);
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kResourceExhausted, "the server has not enough memory for this request");
  } catch (const std::exception& exception) {
    return Fail(ErrorCode::kInternal, exception.what());
  }
}

HttpResponse ToResponse(Reply reply, double seconds) {
  HttpResponse response;
  response.status = reply.status;
  response.content_type = std::move(reply.content_type);
  response.headers = std::move(reply.headers);
  response.chunks = std::move(reply.chunks);
  response.body = std::move(reply.body);
  if (reply.enveloped)
    response.body += fmt::format(",\"status\":\"ok\",\"time\":{:.9f}}}", seconds);
  return response;
}

}  // namespace

Application::Application(Service& service, std::string api_key)
    : service_(service), api_key_(std::move(api_key)), router_(Routes()) {}

std::optional<HttpResponse> Application::Check(HttpRequest& request) {
  // A preflight carries no key; it asks about a request and does nothing.
  if (IsPreflight(request)) return PreflightResponse(request);
  // HEAD is GET without the body, which the session leaves out.
  const std::string_view method =
      request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  const auto match = router_.Match(method, request.path);
  const bool is_open = match && match->route != nullptr && match->route->open;
  if (!is_open && !IsAuthorized(request, api_key_)) return UnauthorizedResponse();
  if (!match) return ErrorResponse(match.error(), 0);
  if (match->route == nullptr) {
    if (match->allowed_methods.empty()) {
      return ErrorResponse(404, "Not found: there is no such path", 0);
    }
    std::string allowed;
    for (const std::string_view allowed_method : match->allowed_methods) {
      allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", allowed_method);
    }
    HttpResponse response = ErrorResponse(
        405, fmt::format("Bad request: this path takes {}, not {}", allowed, request.method), 0);
    response.headers.emplace_back("Allow", allowed);
    return response;
  }
  if (HasBody(request) && !IsJsonContent(request)) {
    return ErrorResponse(415, "Bad request: the Content-Type must be application/json", 0);
  }
  std::string query;
  if (!request.query_params.empty()) query = std::move(request.query_params.front().second);
  auto params = ParseQueryString(query);
  if (!params) return ErrorResponse(params.error(), 0);
  request.route = match->route;
  request.path_params = match->path_params;
  request.query_params = *std::move(params);
  return std::nullopt;
}

std::optional<HttpResponse> Application::Admit(HttpRequest& request) {
  std::optional<HttpResponse> refusal = Check(request);
  if (refusal && !IsPreflight(request)) AllowOrigin(request, *refusal);
  if (refusal) service_.metrics.CountRequest("", "refused", refusal->status, 0);
  return refusal;
}

HttpResponse Application::Handle(const HttpRequest& request) {
  const Clock::time_point start = Clock::now();
  Result<Reply> reply = RunHandler(service_, request);
  const double seconds = SecondsSince(start);
  HttpResponse response =
      reply ? ToResponse(*std::move(reply), seconds) : ErrorResponse(reply.error(), seconds);
  AllowOrigin(request, response);
  if (response.status >= 500) {
    LogError(fmt::format("{} {} answered {}: {}", request.method, request.route->pattern,
                         response.status, response.body));
  }
  service_.metrics.CountRequest(request.method, request.route->pattern, response.status, seconds);
  return response;
}

HttpResponse Application::Refuse(unsigned status, const std::string& text) {
  service_.metrics.CountRequest("", "refused", status, 0);
  return ErrorResponse(status, text, 0);
}

HttpResponse Application::Serve(HttpRequest request) {
  std::optional<HttpResponse> refusal = Admit(request);
  return refusal ? *std::move(refusal) : Handle(request);
}

}  // namespace almagest
