#include "http/error_response.h"

#include <fmt/format.h>

#include "http/json_writer.h"

namespace almagest {
namespace {

constexpr std::string_view kFormatPrefix = "Format error in JSON body: ";
constexpr std::string_view kQueryPrefix = "Deserialize error in query parameters: ";
constexpr std::string_view kChecksumPrefix = "Checksum mismatch: ";
constexpr std::string_view kValidationWord = "Validation error in ";

// Long or hostile values are not worth repeating in full.
std::string Excerpt(std::string_view value) {
  constexpr size_t kBytesMax = 100;
  if (value.size() <= kBytesMax) return std::string(value);
  return std::string(value.substr(0, kBytesMax)) + "...";
}

}  // namespace

unsigned StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kBadRequest:
      return 400;
    case ErrorCode::kOutOfRange:
      return 422;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kFailedPrecondition:
      return 409;
    case ErrorCode::kForbidden:
      return 403;
    case ErrorCode::kTooLarge:
      return 413;
    case ErrorCode::kTimeout:
      return 408;
    case ErrorCode::kResourceExhausted:
      return 429;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kStorageFull:
      return 507;
    case ErrorCode::kCorruption:
    case ErrorCode::kInternal:
      return 500;
  }
  return 500;
}

std::string ErrorText(const Error& error) {
  const std::string& message = error.message;
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kAlreadyExists:
      return "Wrong input: " + message;
    case ErrorCode::kBadRequest:
      // Format errors share the code, and carry their prefix already.
      if (message.starts_with(kFormatPrefix) || message.starts_with(kQueryPrefix) ||
          message.starts_with(kChecksumPrefix)) {
        return message;
      }
      return "Bad request: " + message;
    case ErrorCode::kOutOfRange:
      if (message.starts_with(kValidationWord)) return message;
      if (message.starts_with('[')) return "Validation error in JSON body: " + message;
      return "Validation error in JSON body: [" + message + "]";
    case ErrorCode::kNotFound:
      return "Not found: " + message;
    case ErrorCode::kFailedPrecondition:
      return "Failed precondition: " + message;
    case ErrorCode::kForbidden:
      return "Forbidden: " + message;
    case ErrorCode::kTooLarge:
      return "Payload too large: " + message;
    case ErrorCode::kTimeout:
      return "Timeout: " + message;
    case ErrorCode::kResourceExhausted:
      return "Rate limiting exceeded: " + message;
    case ErrorCode::kUnavailable:
      return "Service unavailable: " + message;
    case ErrorCode::kStorageFull:
      return "Storage full: " + message;
    case ErrorCode::kCorruption:
    case ErrorCode::kInternal:
      return "Service internal error: " + message;
  }
  return "Service internal error: " + message;
}

HttpResponse ErrorResponse(unsigned status, std::string_view text, double seconds) {
  HttpResponse response;
  response.status = status;
  JsonWriter json;
  json.BeginObject().Key("status").BeginObject().Key("error").String(text).EndObject();
  json.Key("time").Double(seconds).EndObject();
  response.body = json.Take();
  if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

HttpResponse ErrorResponse(const Error& error, double seconds) {
  return ErrorResponse(StatusOf(error.code), ErrorText(error), seconds);
}

Error FormatError(std::string_view path, std::string_view what) {
  std::string message{kFormatPrefix};
  if (!path.empty()) message += fmt::format("[{}]: ", Excerpt(path));
  message += what;
  return Error{ErrorCode::kBadRequest, std::move(message)};
}

Error QueryParameterError(std::string_view name, std::string_view what) {
  return Error{ErrorCode::kBadRequest, fmt::format("{}`{}` {}", kQueryPrefix, name, what)};
}

Error ValueError(std::string_view path, std::string_view value, std::string_view must_be) {
  return Error{ErrorCode::kOutOfRange,
               fmt::format("[{}: value {} invalid, must be {}]", path, Excerpt(value), must_be)};
}

Error ChecksumError(std::string_view what) {
  return Error{ErrorCode::kBadRequest, fmt::format("{}{}", kChecksumPrefix, what)};
}

Error ParameterValueError(std::string_view kind, std::string_view name, std::string_view value,
                          std::string_view must_be) {
  return Error{ErrorCode::kOutOfRange,
               fmt::format("{}{} parameters: [{}: value {} invalid, must be {}]", kValidationWord,
                           kind, name, Excerpt(value), must_be)};
}

Error UnsupportedError(std::string_view path, std::string_view why) {
  return Error{ErrorCode::kBadRequest, fmt::format("`{}` is not supported: {}", path, why)};
}

}  // namespace almagest
