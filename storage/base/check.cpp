#include "storage/base/check.h"

#include <cstdio>
#include <cstdlib>

#include "storage/base/result.h"

namespace almagest {

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "almagest: broken invariant at %s:%d: %s\n", file, line, condition);
  std::abort();
}

const char* ErrorCodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "kInvalidArgument";
    case ErrorCode::kBadRequest: return "kBadRequest";
    case ErrorCode::kOutOfRange: return "kOutOfRange";
    case ErrorCode::kNotFound: return "kNotFound";
    case ErrorCode::kAlreadyExists: return "kAlreadyExists";
    case ErrorCode::kFailedPrecondition: return "kFailedPrecondition";
    case ErrorCode::kForbidden: return "kForbidden";
    case ErrorCode::kTooLarge: return "kTooLarge";
    case ErrorCode::kTimeout: return "kTimeout";
    case ErrorCode::kResourceExhausted: return "kResourceExhausted";
    case ErrorCode::kUnavailable: return "kUnavailable";
    case ErrorCode::kStorageFull: return "kStorageFull";
    case ErrorCode::kCorruption: return "kCorruption";
    case ErrorCode::kInternal: return "kInternal";
  }
  return "unknown";
}

}  // namespace almagest
