#include "http/multipart.h"

#include <algorithm>
#include <cctype>

namespace almagest {
namespace {

constexpr size_t kBoundaryBytesMax = 70;  // RFC 2046, 5.1.1
constexpr size_t kPartHeadBytesMax = 8192;

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// The value of `key` in "a; key=value; other=\"quoted\"".
std::optional<std::string> Parameter(std::string_view header, std::string_view key) {
  size_t position = 0;
  while ((position = header.find(';', position)) != std::string_view::npos) {
    ++position;
    while (position < header.size() && (header[position] == ' ' || header[position] == '\t')) {
      ++position;
    }
    const std::string_view rest = header.substr(position);
    if (rest.size() <= key.size() || LowerCase(rest.substr(0, key.size())) != key ||
        rest[key.size()] != '=') {
      continue;
    }
    std::string_view value = rest.substr(key.size() + 1);
    if (value.starts_with('"')) {
      const size_t end = value.find('"', 1);
      if (end == std::string_view::npos) return std::nullopt;
      return std::string(value.substr(1, end - 1));
    }
    value = value.substr(0, value.find(';'));
    while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
    return std::string(value);
  }
  return std::nullopt;
}

// Whether the part's head ("Name: value" lines) names it `name`.
bool IsNamed(std::string_view head, std::string_view name) {
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end == std::string_view::npos ? head.size() : end + 2);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    if (LowerCase(line.substr(0, colon)) != "content-disposition") continue;
    return Parameter(line.substr(colon + 1), "name") == name;
  }
  return false;
}

}  // namespace

std::optional<std::string> MultipartBoundary(std::string_view content_type) {
  const std::string media = LowerCase(content_type.substr(0, content_type.find(';')));
  if (media.find("multipart/form-data") != 0) return std::nullopt;
  auto boundary = Parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > kBoundaryBytesMax) return std::nullopt;
  return boundary;
}

std::optional<std::string_view> FindPart(std::string_view body, std::string_view boundary,
                                         std::string_view name) {
  const std::string delimiter = "\r\n--" + std::string(boundary);
  // The first delimiter may begin the body, without the line end before it.
  size_t position = 0;
  if (body.starts_with(std::string_view(delimiter).substr(2))) {
    position = delimiter.size() - 2;
  } else {
    position = body.find(delimiter);
    if (position == std::string_view::npos) return std::nullopt;
    position += delimiter.size();
  }
  while (true) {
    std::string_view rest = body.substr(position);
    if (rest.starts_with("--")) return std::nullopt;  // The last one.
    const size_t line = rest.substr(0, 1024).find("\r\n");
    if (line == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(line);  // Keeps the line end, so that an empty head ends as others do.
    const size_t head_end = rest.substr(0, kPartHeadBytesMax).find("\r\n\r\n");
    if (head_end == std::string_view::npos) return std::nullopt;
    const std::string_view head = head_end < 2 ? "" : rest.substr(2, head_end - 2);
    const size_t content = body.size() - rest.size() + head_end + 4;
    // The delimiter's own line end may be the one that ends the head, for an empty part.
    const size_t next = body.find(delimiter, content - 2);
    if (next == std::string_view::npos) return std::nullopt;
    if (IsNamed(head, name)) {
      return body.substr(content, next > content ? next - content : 0);
    }
    position = next + delimiter.size();
  }
}

}  // namespace almagest
