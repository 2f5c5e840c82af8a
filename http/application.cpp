#include "http/application.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>

#include "http/compression.h"
#include "http/content_type.h"
#include "http/cross_origin.h"
#include "http/error_response.h"
#include "http/filter_parser.h"
#include "http/json_reader.h"
#include "http/multipart.h"
#include "storage/base/log.h"

namespace almagest {
namespace {

using Clock = std::chrono::steady_clock;

// Longer bodies take longer to parse than a network thread may be kept.
constexpr size_t kBodyAtOnceMax = 64u << 10;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool HasBody(const HttpRequest& request) {
  const std::string* length = request.FindHeader("content-length");
  return (length != nullptr && *length != "0") ||
         request.FindHeader("transfer-encoding") != nullptr;
}

// The 415 for a body that is packed in a way we do not unpack. Uploads are large files: as they
// are.
std::optional<HttpResponse> CheckContentEncoding(const HttpRequest& request, RouteBody body) {
  const std::string* coding = request.FindHeader("content-encoding");
  if (coding == nullptr || IsWord(*coding, "identity")) return std::nullopt;
  if (IsWord(*coding, "gzip") && body != RouteBody::kUpload) return std::nullopt;
  return ErrorResponse(415,
                       fmt::format("Bad request: the Content-Encoding '{}' is not supported: send "
                                   "{}",
                                   coding->substr(0, 40),
                                   body == RouteBody::kUpload ? "the snapshot as it is"
                                                              : "gzip or the body as it is"),
                       0);
}

// A server takes whole URLs in place of paths, too (RFC 9112, 3.2.2).
void StripOrigin(std::string& path) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!path.starts_with(scheme)) continue;
    const size_t slash = path.find('/', scheme.size());
    path = slash == std::string::npos ? "/" : path.substr(slash);
    return;
  }
}

// The 415 for a body of another type than the route takes.
std::optional<HttpResponse> CheckContentType(const HttpRequest& request, RouteBody body) {
  const std::string* type = request.FindHeader("content-type");
  std::string expected = "application/json";
  if (body == RouteBody::kUpload) {
    expected = "multipart/form-data";
    if (type != nullptr && MultipartBoundary(*type)) return std::nullopt;
  } else if (body != RouteBody::kBytes && type != nullptr &&
             HasContentType(*type, "application/json")) {
    return std::nullopt;
  }
  if (body == RouteBody::kJsonOrBytes || body == RouteBody::kBytes) {
    if (type != nullptr && HasContentType(*type, kBytesContentType)) return std::nullopt;
    expected = body == RouteBody::kBytes ? kBytesContentType
                                         : fmt::format("{} or {}", expected, kBytesContentType);
  }
  return ErrorResponse(415, "Bad request: the Content-Type must be " + expected, 0);
}

Service ServiceFor(const HttpRequest& request, const Service& service, SearchPace& pace) {
  Service own = service;
  own.access = request.access.get();
  own.pace = &pace;
  return own;
}

// Library exceptions end here: a handler's failure is the answer to one request.
Result<Reply> RunHandler(Service& own, const HttpRequest& request) {
  try {
    return request.route->handler(own, request);
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
  response.file = std::move(reply.file);
  response.body = std::move(reply.body);
  if (reply.accepted) {
    response.body = fmt::format("{{\"status\":\"accepted\",\"time\":{:.9f}}}", seconds);
  } else if (reply.enveloped) {
    response.body += fmt::format(",\"status\":\"ok\",\"time\":{:.9f}}}", seconds);
  }
  return response;
}

}  // namespace

Application::Application(Service& service, ApplicationOptions options)
    : service_(service),
      options_(std::move(options)),
      router_(Routes()),
      pace_(options_.search_at_once_max) {}

std::optional<HttpResponse> Application::Check(HttpRequest& request) {
  // Any other coding leaves open where the request ends, and so what the next one is.
  for (const auto& [name, value] : request.headers) {
    if (name != "transfer-encoding" || IsWord(value, "chunked")) continue;
    HttpResponse response = ErrorResponse(
        400, "Bad request: a body may be sent whole or with Transfer-Encoding: chunked", 0);
    response.close = true;
    return response;
  }
  const std::string* host = request.FindHeader("host");
  if (options_.local_names_only && host != nullptr && !NamesThisMachine(*host)) {
    return AccessRefusal(
        403, "Forbidden: this server has no API key and so answers to localhost only, not to another "
             "Host; start it with --api-key, or with --allow-anonymous");
  }
  StripOrigin(request.path);
  // A preflight carries no key; it asks about a request and does nothing.
  if (options_.cross_origin && IsPreflight(request)) return PreflightResponse(request);
  // HEAD is GET without the body, which the session leaves out.
  const std::string_view method =
      request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  const auto match = router_.Match(method, request.path);
  const bool is_open =
      match && match->route != nullptr && match->route->access == RouteAccess::kOpen;
  if (!is_open) {
    Authentication caller = Authenticate(request, options_.authentication);
    if (caller.refusal) return std::move(caller.refusal);
    request.access = std::move(caller.rights);
  }
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
  request.path_params = match->path_params;
  if (request.access != nullptr) {
    const auto allowed =
        request.access->Check(match->route->access, request.PathParam("collection"));
    if (!allowed) return ErrorResponse(allowed.error(), 0);
  }
  if (HasBody(request)) {
    if (auto refusal = CheckContentType(request, match->route->body)) return refusal;
    if (auto refusal = CheckContentEncoding(request, match->route->body)) return refusal;
  }
  std::string query;
  if (!request.query_params.empty()) query = std::move(request.query_params.front().second);
  auto params = ParseQueryString(query);
  if (!params) return ErrorResponse(params.error(), 0);
  request.route = match->route;
  request.query_params = *std::move(params);
  if (match->route->body == RouteBody::kUpload) {
    request.upload = std::make_shared<const UploadedFile>(
        service_.database.snapshots().TemporaryPath().string());
  }
  return std::nullopt;
}

bool Application::NeedsConfirmation(const HttpRequest& request) const {
  return request.access != nullptr && request.access->condition.has_value();
}

std::optional<HttpResponse> Application::Confirm(const HttpRequest& request) {
  const AccessRights::Condition& condition = *request.access->condition;
  constexpr const char* kText = "Invalid JWT, stateful validation failed";
  const auto refuse = [&](unsigned status, const char* text) {
    service_.metrics.CountRequest("", "refused", status, 0);
    return AccessRefusal(status, text);
  };
  const auto collection = service_.database.FindCollection(condition.collection);
  if (!collection) return refuse(403, kText);
  const auto exists = [&]() -> Result<bool> {
    ALMAGEST_TRY(const JsonValue json, ParseJsonBody(condition.filter_json));
    ALMAGEST_TRY(const Filter filter, ParseFilter(json));
    Deadline deadline;
    deadline.at = Clock::now() + std::chrono::seconds(kReadTimeoutSeconds);
    ALMAGEST_TRY(const SlotSet slots, (*collection)->MatchingSlots(filter, deadline));
    return !slots.empty();
  }();
  if (!exists || !*exists) return refuse(401, kText);
  return std::nullopt;
}

void Application::Compress(const HttpRequest& request, HttpResponse& response) const {
  if (response.chunks || !response.file.empty() ||
      response.body.size() < options_.compressed_bytes_min || response.body.size() > UINT32_MAX) {
    return;
  }
  response.headers.emplace_back("Vary", "Accept-Encoding");
  const std::string* accepted = request.FindHeader("accept-encoding");
  if (accepted == nullptr || !AcceptsGzip(*accepted)) return;
  std::string packed = Gzip(response.body);
  if (packed.empty() || packed.size() >= response.body.size()) return;
  response.body = std::move(packed);
  response.headers.emplace_back("Content-Encoding", "gzip");
}

std::optional<HttpResponse> Application::Admit(HttpRequest& request) {
  std::optional<HttpResponse> refusal = Check(request);
  if (refusal && options_.cross_origin && !IsPreflight(request)) AllowOrigin(request, *refusal);
  if (refusal) service_.metrics.CountRequest("", "refused", refusal->status, 0);
  return refusal;
}

HttpResponse Application::Handle(const HttpRequest& request) {
  const std::string* coding = request.FindHeader("content-encoding");
  if (coding == nullptr || request.body.empty() || IsWord(*coding, "identity")) {
    return HandlePlain(request);
  }
  std::string body;
  const Unpacked outcome = Gunzip(request.body, options_.body_bytes_max, body);
  if (outcome == Unpacked::kTooLarge) {
    return Refuse(413, fmt::format("Payload too large: the request's body is longer than {} bytes",
                                   options_.body_bytes_max));
  }
  if (outcome == Unpacked::kBroken) return Refuse(400, "Bad request: the body is not gzip");
  HttpRequest plain = request;
  plain.body = std::move(body);
  return HandlePlain(plain);
}

std::optional<HttpResponse> Application::HandleAtOnce(const HttpRequest& request) {
  const HandlerAtOnce handler = request.route->at_once;
  if (handler == nullptr || request.body.size() > kBodyAtOnceMax ||
      request.FindHeader("content-encoding") != nullptr) {
    return std::nullopt;
  }
  const Clock::time_point start = Clock::now();
  Service own = ServiceFor(request, service_, pace_);
  std::optional<Reply> reply;
  try {
    reply = handler(own, request);
  } catch (const std::exception&) {  // The worker meets it again.
  }
  if (!reply) return std::nullopt;
  const double seconds = SecondsSince(start);
  HttpResponse response = ToResponse(*std::move(reply), seconds);
  Finish(request, seconds, response);
  return response;
}

HttpResponse Application::HandlePlain(const HttpRequest& request) {
  const Clock::time_point start = Clock::now();
  const auto refusal = strict_mode_.Check(service_, request);
  Service own = ServiceFor(request, service_, pace_);
  Result<Reply> reply = refusal ? Result<Reply>(Fail(refusal->error)) : RunHandler(own, request);
  const double seconds = SecondsSince(start);
  HttpResponse response =
      reply ? ToResponse(*std::move(reply), seconds) : ErrorResponse(reply.error(), seconds);
  if (refusal && refusal->retry_after_seconds) {
    std::erase_if(response.headers,
                  [](const auto& header) { return header.first == "Retry-After"; });
    response.headers.emplace_back("Retry-After", std::to_string(*refusal->retry_after_seconds));
  }
  Finish(request, seconds, response);
  return response;
}

void Application::Finish(const HttpRequest& request, double seconds, HttpResponse& response) {
  if (options_.cross_origin) AllowOrigin(request, response);
  if (response.status >= 500) {
    LogError(fmt::format("{} {} answered {}: {}", request.method, request.route->pattern,
                         response.status, response.body));
  }
  service_.metrics.CountRequest(request.method, request.route->pattern, response.status, seconds);
  Compress(request, response);
}

HttpResponse Application::Refuse(unsigned status, const std::string& text) {
  service_.metrics.CountRequest("", "refused", status, 0);
  return ErrorResponse(status, text, 0);
}

HttpResponse Application::Serve(HttpRequest request) {
  std::optional<HttpResponse> refusal = Admit(request);
  if (!refusal && NeedsConfirmation(request)) refusal = Confirm(request);
  if (refusal) return *std::move(refusal);
  std::optional<HttpResponse> at_once = HandleAtOnce(request);
  return at_once ? *std::move(at_once) : Handle(request);
}

}  // namespace almagest
