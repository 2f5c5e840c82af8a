// Invariants. A broken one is a bug in this program: say where and abort, in release builds too.
#pragma once

namespace almagest {
[[noreturn]] void CheckFailed(const char* condition, const char* file, int line);
}  // namespace almagest

#define ALMAGEST_CHECK(condition) \
  ((condition) ? (void)0 : ::almagest::CheckFailed(#condition, __FILE__, __LINE__))

// For checks too costly on a hot path: on in debug and sanitizer builds only.
#ifdef NDEBUG
#define ALMAGEST_DCHECK(condition) ((void)sizeof(condition))
#else
#define ALMAGEST_DCHECK(condition) ALMAGEST_CHECK(condition)
#endif
