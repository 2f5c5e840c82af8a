// The program's log: one line a call to standard error. No library is exposed here, so including
// this costs nothing. Thread-safe. Text from outside is escaped by the sink (control characters
// become \xNN), so that a client cannot forge lines.
#pragma once

#include <string_view>

namespace almagest {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Lines below `level` are dropped. Default: kInfo.
void SetLogLevel(LogLevel level);
void Log(LogLevel level, std::string_view message);

inline void LogInfo(std::string_view message) { Log(LogLevel::kInfo, message); }
inline void LogWarning(std::string_view message) { Log(LogLevel::kWarning, message); }
inline void LogError(std::string_view message) { Log(LogLevel::kError, message); }

}  // namespace almagest
