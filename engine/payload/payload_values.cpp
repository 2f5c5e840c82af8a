#include "engine/payload/payload_values.h"

#include <algorithm>

#include "engine/payload/payload_document.h"

namespace almagest {

Result<std::vector<MatchScalar>> ScalarsAt(std::string_view payload, const PayloadPath& path) {
  ALMAGEST_TRY(const JsonElement document, ReadPayload(payload));
  std::vector<MatchScalar> scalars;
  const auto add = [&](MatchScalar scalar) {
    if (std::ranges::find(scalars, scalar) == scalars.end()) scalars.push_back(std::move(scalar));
  };
  VisitPath(document, path.steps(), [&](const JsonElement& value) {
    return VisitElements(value, [&](const JsonElement& element) {
      if (element.type() == JsonType::BOOL) {
        add(bool(element));
      } else if (element.type() == JsonType::INT64) {
        add(int64_t(element));
      } else if (element.type() == JsonType::STRING) {
        add(std::string(std::string_view(element)));
      }
      return true;
    });
  });
  return scalars;
}

}  // namespace almagest
