#include "http/access_rights.h"

namespace almagest {
namespace {

tl::unexpected<Error> Forbid(const std::string& what) { return Fail(ErrorCode::kForbidden, what); }

}  // namespace

bool AccessRights::MayRead(const std::string& collection) const {
  return global != Global::kNone || collections.contains(collection);
}

Result<> AccessRights::Check(RouteAccess needed, const std::string& collection) const {
  if (global == Global::kManage) return {};
  const auto found = collections.find(collection);
  const bool has_collection = found != collections.end();
  switch (needed) {
    case RouteAccess::kOpen:
    case RouteAccess::kAny:
      return {};
    case RouteAccess::kManage:
      return Forbid("Global manage access is required");
    case RouteAccess::kGlobalRead:
      if (global == Global::kRead) return {};
      return Forbid("Global access is required");
    case RouteAccess::kRead:
    case RouteAccess::kReadAll:
      if (global == Global::kRead) return {};
      if (!has_collection) return Forbid("Access to collection " + collection + " is required");
      if (needed == RouteAccess::kReadAll && found->second == Mode::kPoints) {
        return Forbid("Access to all of collection " + collection + " is required");
      }
      return {};
    case RouteAccess::kWrite:
    case RouteAccess::kWriteAll:
      if (global == Global::kRead) return Forbid("Global manage access is required");
      if (!has_collection) return Forbid("Access to collection " + collection + " is required");
      if (found->second == Mode::kRead ||
          (needed == RouteAccess::kWriteAll && found->second == Mode::kPoints)) {
        return Forbid("Write access to collection " + collection + " is required");
      }
      return {};
  }
  return Forbid("Global manage access is required");
}

}  // namespace almagest
