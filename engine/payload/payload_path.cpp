#include "engine/payload/payload_path.h"

#include <charconv>
#include <system_error>
#include <utility>

namespace almagest {
namespace {

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || static_cast<unsigned char>(c) >= 0x80;
}

tl::unexpected<Error> Bad(std::string_view text, size_t position, const char* reason) {
  return Fail(ErrorCode::kInvalidArgument, "the payload path '" + std::string(text) +
                                               "' is not valid at position " +
                                               std::to_string(position) + ": " + reason);
}

}  // namespace

Result<PayloadPath> PayloadPath::Parse(std::string_view text) {
  PayloadPath path;
  size_t at = 0;
  bool expect_key = true;
  while (at < text.size() || expect_key) {
    if (path.steps_.size() == kStepsMax) return Bad(text, at, "it has more than 64 steps");
    if (expect_key) {
      expect_key = false;
      if (at < text.size() && text[at] == '"') {
        const size_t end = text.find('"', at + 1);
        if (end == std::string_view::npos) return Bad(text, at, "a quote is not closed");
        const std::string_view name = text.substr(at + 1, end - at - 1);
        if (name.find('\\') != std::string_view::npos)
          return Bad(text, at, "a key has a backslash");
        path.steps_.emplace_back(Key{std::string(name)});
        at = end + 1;
        continue;
      }
      const size_t start = at;
      while (at < text.size() && IsPlain(text[at])) ++at;
      if (at == start) return Bad(text, at, "a key is expected");
      path.steps_.emplace_back(Key{std::string(text.substr(start, at - start))});
      continue;
    }
    if (text[at] == '.') {
      ++at;
      expect_key = true;
      continue;
    }
    if (text[at] != '[') return Bad(text, at, "'.' or '[' is expected");
    ++at;
    if (at < text.size() && text[at] == ']') {
      path.steps_.emplace_back(Wildcard{});
      ++at;
      continue;
    }
    Index index;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + at, end, index.position);
    if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != ']') {
      return Bad(text, at, "a number or ']' is expected");
    }
    path.steps_.emplace_back(index);
    at = static_cast<size_t>(parsed.ptr - text.data()) + 1;
  }
  return path;
}

std::string PayloadPath::ToString() const {
  std::string text;
  for (const Step& step : steps_) {
    if (const auto* key = std::get_if<Key>(&step)) {
      if (!text.empty()) text += '.';
      bool plain = !key->name.empty();
      for (const char c : key->name) plain = plain && IsPlain(c);
      text += plain ? key->name : '"' + key->name + '"';
    } else if (const auto* index = std::get_if<Index>(&step)) {
      text += '[' + std::to_string(index->position) + ']';
    } else {
      text += "[]";
    }
  }
  return text;
}

PayloadPath PayloadPath::Elements() const {
  PayloadPath path = *this;
  if (!std::holds_alternative<Wildcard>(path.steps_.back())) path.steps_.emplace_back(Wildcard{});
  return path;
}

PayloadPath PayloadPath::Append(const PayloadPath& inner) const {
  PayloadPath path = *this;
  path.steps_.insert(path.steps_.end(), inner.steps_.begin(), inner.steps_.end());
  return path;
}

}  // namespace almagest
