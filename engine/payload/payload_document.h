// Reads canonical payloads with simdjson. Inside engine/payload only: includes simdjson.
#pragma once

#include <simdjson.h>

#include <span>
#include <string_view>

#include "engine/payload/payload_path.h"
#include "storage/base/result.h"

namespace almagest {

using JsonElement = simdjson::dom::element;
using JsonType = simdjson::dom::element_type;

// Parses an object; the empty text reads as `{}`. The element lives until the next call on the
// same thread. kCorruption for anything else: payloads are canonical when they are stored.
Result<JsonElement> ReadPayload(std::string_view payload);

// Calls `visit` for every value at the path until it returns false; then the result is false.
template <class Visit>
bool VisitPath(const JsonElement& value, std::span<const PayloadPath::Step> steps,
               const Visit& visit) {
  if (steps.empty()) return visit(value);
  const auto rest = steps.subspan(1);
  if (const auto* key = std::get_if<PayloadPath::Key>(&steps[0])) {
    simdjson::dom::object object;
    JsonElement child;
    if (value.get(object) || object.at_key(key->name).get(child)) return true;
    return VisitPath(child, rest, visit);
  }
  simdjson::dom::array array;
  if (value.get(array)) return true;
  if (const auto* index = std::get_if<PayloadPath::Index>(&steps[0])) {
    JsonElement child;
    if (array.at(index->position).get(child)) return true;
    return VisitPath(child, rest, visit);
  }
  for (const JsonElement child : array) {
    if (!VisitPath(child, rest, visit)) return false;
  }
  return true;
}

// Calls `visit` for the elements of an array (one level), or for the value itself.
template <class Visit>
bool VisitElements(const JsonElement& value, const Visit& visit) {
  simdjson::dom::array array;
  if (value.get(array)) return visit(value);
  for (const JsonElement child : array) {
    if (!visit(child)) return false;
  }
  return true;
}

}  // namespace almagest
