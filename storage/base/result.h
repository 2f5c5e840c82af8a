// Results instead of exceptions: an expected failure is a value that cannot be ignored.
//
// Programmer errors abort (check.h); exceptions come only from libraries and are caught where the
// library is called. A message is one sentence, safe to show to a client: it names the field, the
// value and the limit.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace almagest {

// Each code says what the caller may do; http/error_response.cpp is the only place that maps them
// to status codes.
enum class ErrorCode : uint8_t {
  kInvalidArgument,     // 400: well-formed but wrong (dimension, unknown vector name).
  kBadRequest,          // 400: the request makes no sense as a whole.
  kOutOfRange,          // 422: one value breaks its range or rule.
  kNotFound,            // 404
  kAlreadyExists,       // 409
  kFailedPrecondition,  // 409: fix the state first, then call again.
  kForbidden,           // 403
  kTooLarge,            // 413: body or batch over its limit.
  kTimeout,             // 408
  kResourceExhausted,   // 429: wait, then retry the same call.
  kUnavailable,         // 503: not now (loading, stopping); retry.
  kStorageFull,         // 507
  kCorruption,          // 500: a file failed its checksum or cannot be decoded.
  kInternal,            // 500
};

// "kNotFound" and so on, for logs and tests.
const char* ErrorCodeName(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

template <class T = void>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

inline tl::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}
inline tl::unexpected<Error> Fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace almagest

#define ALMAGEST_CONCAT_INNER(a, b) a##b
#define ALMAGEST_CONCAT(a, b) ALMAGEST_CONCAT_INNER(a, b)
// ALMAGEST_TRY(auto id, Parse(text));  binds the value, or returns the error from this function.
#define ALMAGEST_TRY(declaration, expression) \
  ALMAGEST_TRY_IMPL(declaration, expression, ALMAGEST_CONCAT(almagest_try_, __LINE__))
#define ALMAGEST_TRY_IMPL(declaration, expression, name)                  \
  auto name = (expression);                                               \
  if (!name) return ::almagest::Fail(std::move(name).error());            \
  declaration = std::move(*name)
// The same for a Result<> without a value.
#define ALMAGEST_TRY_VOID(expression)                                                          \
  do {                                                                                         \
    if (auto almagest_try_void = (expression); !almagest_try_void)                             \
      return ::almagest::Fail(std::move(almagest_try_void).error());                           \
  } while (false)
