// Method and path to handler. No I/O: testable as a function.
//
// Paths are split at '/' before they are percent-decoded, so that an encoded slash ("%2f") is part
// of a name and can never reach another route. One trailing slash is ignored.
//
// Thread safety: immutable after construction.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/access_rights.h"
#include "http/http_message.h"
#include "storage/base/result.h"

namespace almagest {

struct Service;  // service.h

// What a handler returns. A plain reply is put into the envelope: `body` begins with `{"result":`
// (BeginResult in service.h) and the dispatcher appends status and time.
struct Reply {
  unsigned status = 200;
  bool enveloped = true;
  bool accepted = false;  // {"status": "accepted"}, without a result.
  std::string content_type = "application/json";
  std::string body;
  NameValues headers;
  ChunkSource chunks;
  std::string file;  // Set: the body is what this file holds.
};

// Runs on a worker; may block. Any number run at once.
using Handler = Result<Reply> (*)(Service& service, const HttpRequest& request);
// Runs on a network thread, before the handler: what the handler would reply, if that takes no
// longer than handing the request to a worker and back and waits for nothing; else nullopt, without
// any effect. What fails is left to the handler, which says so.
using HandlerAtOnce = std::optional<Reply> (*)(Service& service, const HttpRequest& request);

enum class RouteBody : uint8_t {
  kJson,
  kJsonOrBytes,  // application/octet-stream as well.
  kBytes,        // application/octet-stream alone.
  kUpload,       // multipart/form-data, kept in a file (HttpRequest::upload).
};

struct Route {
  std::string_view method;
  std::string_view pattern;  // "/collections/{collection}/points"
  Handler handler;
  RouteAccess access;
  RouteBody body = RouteBody::kJson;
  HandlerAtOnce at_once = nullptr;
};

// Every route of the server: the whole surface in one place (routes.cpp).
std::span<const Route> Routes();

struct RouteMatch {
  const Route* route = nullptr;  // nullptr: no such path, or no such method on it.
  NameValues path_params;
  std::vector<std::string_view> allowed_methods;  // Of the path, when only the method is wrong.
};

class Router {
 public:
  explicit Router(std::span<const Route> routes);

  // kInvalidArgument for a broken percent escape, a NUL byte or invalid UTF-8 in a segment.
  Result<RouteMatch> Match(std::string_view method, std::string_view path) const;

 private:
  struct Entry {
    const Route* route;
    std::vector<std::string_view> segments;
  };
  std::vector<Entry> entries_;
};

// "%41" to "A"; '+' to ' ' if `plus_is_space`. kInvalidArgument for a broken escape.
Result<std::string> PercentDecode(std::string_view text, bool plus_is_space);

// "a=1&b=x%20y" to pairs. Same errors.
Result<NameValues> ParseQueryString(std::string_view text);

}  // namespace almagest
