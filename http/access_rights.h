// What a caller may do, as the key or the token of a request says (authentication.h), and what a
// route asks for (routes.cpp). The rights are Qdrant's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "storage/base/result.h"

namespace almagest {

enum class RouteAccess : uint8_t {
  kOpen,        // No key at all.
  kAny,         // Any key or token; the answer tells of what the caller may read.
  kGlobalRead,  // To read everything.
  kRead,        // To read the path's collection.
  kReadAll,     // The same, but not with a token for its points only.
  kWrite,       // To write points of the path's collection.
  kWriteAll,    // The same, but not with a token for its points only.
  kManage,      // Everything.
};

struct AccessRights {
  enum class Global : uint8_t { kNone, kRead, kManage };
  enum class Mode : uint8_t { kRead, kPoints, kAll };  // "r", "prw", "rw"

  Global global = Global::kNone;
  std::map<std::string, Mode> collections;  // Where `global` says nothing. Names as in the path.

  // A point of `collection` that must exist for the rights to hold: a filter as JSON text.
  struct Condition {
    std::string collection;
    std::string filter_json;
  };
  std::optional<Condition> condition;

  bool MayRead(const std::string& collection) const;
  // kForbidden, naming what is needed.
  Result<> Check(RouteAccess needed, const std::string& collection) const;
};

}  // namespace almagest
