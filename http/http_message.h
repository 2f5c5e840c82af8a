// Requests and responses as plain structs: what passes between the session (Beast) and the handlers
// (no Beast). Nothing here touches a socket.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

struct Route;         // router.h
struct AccessRights;  // access_rights.h

// A request's body in a file, which goes with the object.
struct UploadedFile {
  explicit UploadedFile(std::string file) : path(std::move(file)) {}
  UploadedFile(const UploadedFile&) = delete;
  UploadedFile& operator=(const UploadedFile&) = delete;
  ~UploadedFile() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
  const std::string path;
};

using NameValues = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  HttpRequest() {}  // Not an aggregate: GCC 12 destroys aggregate temporaries twice in coroutines.

  std::string method;            // "GET", ...
  std::string path;              // Percent-encoded, without the query string.
  const Route* route = nullptr;  // The one that matched; set when the request is admitted.
  NameValues path_params;        // By the names of the route's pattern, decoded.
  NameValues query_params;       // Decoded, in order of appearance.
  NameValues headers;            // Names in lower case.
  std::string body;
  std::shared_ptr<const UploadedFile> upload;  // Set when admitted: the body goes there instead.
  std::shared_ptr<const AccessRights> access;  // Set when admitted, but not on open routes.

  // The first one of that name; nullptr if there is none. Header names in lower case.
  const std::string* FindHeader(std::string_view name) const { return Find(headers, name); }
  const std::string* FindQuery(std::string_view name) const { return Find(query_params, name); }
  // Empty when the route has no such parameter.
  const std::string& PathParam(std::string_view name) const {
    static const std::string none;
    const std::string* found = Find(path_params, name);
    return found == nullptr ? none : *found;
  }

 private:
  static const std::string* Find(const NameValues& values, std::string_view name) {
    for (const auto& [key, value] : values) {
      if (key == name) return &value;
    }
    return nullptr;
  }
};

// A body that comes in pieces. Called on a worker, never at the same time twice: the next piece,
// "" when there is nothing yet (asked again a moment later), nullopt at the end.
using ChunkSource = std::function<std::optional<std::string>()>;

struct HttpResponse {
  HttpResponse() {}

  unsigned status = 200;
  std::string content_type = "application/json";
  NameValues headers;
  std::string body;
  ChunkSource chunks;  // Set: `body` is unused, the pieces are sent as they come.
  std::string file;    // Set: the body is what this file holds; `body` is unused.
  bool close = false;  // The connection ends after this response.
};

}  // namespace almagest
