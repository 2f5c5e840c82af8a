#include "http/router.h"

#include <simdjson.h>

#include <algorithm>

namespace almagest {
namespace {

std::vector<std::string_view> SplitPath(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.empty() || path == "/") return segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  while (true) {
    const size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

bool IsParameter(std::string_view segment) { return segment.starts_with('{'); }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

Result<std::string> PercentDecode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return Fail(ErrorCode::kInvalidArgument, "the URL has a broken percent escape");
      }
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (decoded.find('\0') != std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument, "the URL has a NUL byte in it");
  }
  if (!simdjson::validate_utf8(decoded)) {
    return Fail(ErrorCode::kInvalidArgument, "the URL is not valid UTF-8 when decoded");
  }
  return decoded;
}

Result<NameValues> ParseQueryString(std::string_view text) {
  NameValues values;
  while (!text.empty()) {
    const size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    ALMAGEST_TRY(std::string name, PercentDecode(pair.substr(0, equals), true));
    std::string value;
    if (equals != std::string_view::npos) {
      ALMAGEST_TRY(value, PercentDecode(pair.substr(equals + 1), true));
    }
    values.emplace_back(std::move(name), std::move(value));
  }
  return values;
}

Router::Router(std::span<const Route> routes) {
  for (const Route& route : routes) entries_.push_back({&route, SplitPath(route.pattern)});
  // A fixed segment wins over a parameter in the same place: "/points/query" over "/points/{id}".
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    const auto parameters = [](const Entry& entry) {
      return std::count_if(entry.segments.begin(), entry.segments.end(), IsParameter);
    };
    return parameters(a) < parameters(b);
  });
}

Result<RouteMatch> Router::Match(std::string_view method, std::string_view path) const {
  RouteMatch match;
  const std::vector<std::string_view> segments = SplitPath(path);
  for (const Entry& entry : entries_) {
    if (entry.segments.size() != segments.size()) continue;
    bool fits = true;
    for (size_t i = 0; i < segments.size() && fits; ++i) {
      fits =
          IsParameter(entry.segments[i]) ? !segments[i].empty() : entry.segments[i] == segments[i];
    }
    if (!fits) continue;
    if (entry.route->method != method) {
      match.allowed_methods.push_back(entry.route->method);
      continue;
    }
    for (size_t i = 0; i < segments.size(); ++i) {
      if (!IsParameter(entry.segments[i])) continue;
      ALMAGEST_TRY(std::string value, PercentDecode(segments[i], false));
      match.path_params.emplace_back(entry.segments[i].substr(1, entry.segments[i].size() - 2),
                                     std::move(value));
    }
    match.route = entry.route;
    return match;
  }
  return match;
}

}  // namespace almagest
