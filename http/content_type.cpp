#include "http/content_type.h"

#include <algorithm>

namespace almagest {

bool IsWord(std::string_view given, std::string_view word) {
  return std::ranges::equal(given, word, [](char letter, char wanted) {
    return letter == wanted || (wanted >= 'a' && wanted <= 'z' && letter == wanted - 'a' + 'A');
  });
}

bool HasContentType(std::string_view type, std::string_view expected) {
  const std::string_view media = type.substr(0, type.find(';'));
  return IsWord(media.substr(0, expected.size()), expected) &&
         media.find_first_not_of(" \t", expected.size()) == std::string_view::npos;
}

bool HasBytes(const HttpRequest& request) {
  const std::string* type = request.FindHeader("content-type");
  return type != nullptr && HasContentType(*type, kBytesContentType);
}

}  // namespace almagest
