// From errors to responses: the only place that maps ErrorCode to a status and a text.
//
//   {"status": {"error": "Wrong input: Vector dimension error: ..."}, "time": 0.0001}
//
// The texts begin as Qdrant's do, because its clients' users search for them.
#pragma once

#include <string>
#include <string_view>

#include "http/http_message.h"
#include "storage/base/result.h"

namespace almagest {

unsigned StatusOf(ErrorCode code);

// The text that the client sees: a fixed prefix per code and the message.
std::string ErrorText(const Error& error);

// `seconds` is the time spent on the request.
HttpResponse ErrorResponse(const Error& error, double seconds);
// The same envelope for errors that have no code because no handler was reached (405, 415, 431).
HttpResponse ErrorResponse(unsigned status, std::string_view text, double seconds);

// ---- Errors about a place in the request body; `path` is like "points[3].vector" --------------
// 400 "Format error in JSON body: [path]: what": broken JSON, a wrong type, an unknown key.
Error FormatError(std::string_view path, std::string_view what);
// 400 "Deserialize error in query parameters: `name` what".
Error QueryParameterError(std::string_view name, std::string_view what);
// 422 "Validation error in JSON body: [path: value X invalid, must be ...]".
Error ValueError(std::string_view path, std::string_view value, std::string_view must_be);
// 422 "Validation error in <kind> parameters: [name: value X invalid, must be ...]"; `kind` is
// `query` or `path`.
Error ParameterValueError(std::string_view kind, std::string_view name, std::string_view value,
                          std::string_view must_be);
// 400 "Checksum mismatch: ...".
Error ChecksumError(std::string_view what);
// 400 "Bad request: `path` is not supported: why": an option that this server does not have.
Error UnsupportedError(std::string_view path, std::string_view why);

}  // namespace almagest
