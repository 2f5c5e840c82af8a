#include "engine/payload/payload.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/payload/payload_path.h"

namespace almagest {
namespace {

using Json = nlohmann::json;
using Steps = std::span<const PayloadPath::Step>;

// Brackets outside of strings: enough to bound recursion before anything is parsed.
bool IsTooDeep(std::string_view json) {
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kPayloadDepthMax) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

Result<Json> ParseObject(std::string_view text) {
  if (text.empty()) return Json::object();
  if (IsTooDeep(text)) {
    return Fail(ErrorCode::kInvalidArgument, "the payload is nested deeper than " +
                                                 std::to_string(kPayloadDepthMax) + " levels");
  }
  try {
    Json json = Json::parse(text);
    if (json.is_object()) return json;
    return Fail(ErrorCode::kInvalidArgument,
                std::string("the payload is not an object but a JSON ") + json.type_name());
  } catch (const std::exception& exception) {
    // The library prefixes its messages with "[json.exception...] ".
    std::string_view reason = exception.what();
    const size_t prefix = reason.find("] ");
    if (prefix != std::string_view::npos) reason.remove_prefix(prefix + 2);
    return Fail(ErrorCode::kInvalidArgument,
                "the payload is not valid JSON: " + std::string(reason));
  }
}

Result<std::string> ToText(const Json& json) {
  try {
    return json.dump();
  } catch (const std::exception& exception) {
    return Fail(ErrorCode::kInvalidArgument,
                std::string("the payload cannot be written: ") + exception.what());
  }
}

void MergeKeys(Json& target, const Json& patch) {
  for (const auto& [key, value] : patch.items()) {
    if (value.is_null()) {
      target.erase(key);
    } else {
      target[key] = value;
    }
  }
}

// What the steps lead to becomes an object (if it is none) and gets the keys of the patch.
void MergeAt(Json& target, Steps steps, const Json& patch) {
  if (steps.empty()) {
    if (!target.is_object()) target = Json::object();
    MergeKeys(target, patch);
    return;
  }
  if (const auto* key = std::get_if<PayloadPath::Key>(&steps[0])) {
    if (!target.is_object()) target = Json::object();
    MergeAt(target[key->name], steps.subspan(1), patch);
    return;
  }
  if (!target.is_array()) target = Json::array();
  if (const auto* index = std::get_if<PayloadPath::Index>(&steps[0])) {
    if (index->position < target.size()) MergeAt(target[index->position], steps.subspan(1), patch);
    return;
  }
  for (Json& element : target) MergeAt(element, steps.subspan(1), patch);
}

void RemoveAt(Json& target, Steps steps) {
  const bool last = steps.size() == 1;
  if (const auto* key = std::get_if<PayloadPath::Key>(&steps[0])) {
    if (!target.is_object()) return;
    const auto found = target.find(key->name);
    if (found == target.end()) return;
    if (last) {
      target.erase(found);
    } else {
      RemoveAt(*found, steps.subspan(1));
    }
    return;
  }
  if (!target.is_array()) return;
  if (const auto* index = std::get_if<PayloadPath::Index>(&steps[0])) {
    if (index->position >= target.size()) return;
    if (last) {
      target.erase(index->position);
    } else {
      RemoveAt(target[index->position], steps.subspan(1));
    }
  } else if (last) {
    target.clear();
  } else {
    for (Json& element : target) RemoveAt(element, steps.subspan(1));
  }
}

}  // namespace

Result<std::string> CanonicalPayload(std::string_view json) {
  if (json.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "the payload is not valid JSON: it is empty");
  }
  ALMAGEST_TRY(const Json object, ParseObject(json));
  return ToText(object);
}

Result<std::string> MergePayload(std::string_view payload, std::string_view patch,
                                 std::string_view path) {
  ALMAGEST_TRY(Json object, ParseObject(payload));
  ALMAGEST_TRY(const Json keys, ParseObject(patch));
  if (path.empty()) {
    MergeKeys(object, keys);
  } else {
    ALMAGEST_TRY(const PayloadPath parsed, PayloadPath::Parse(path));
    MergeAt(object, parsed.steps(), keys);
  }
  ALMAGEST_TRY(std::string text, ToText(object));
  if (IsTooDeep(text)) {
    return Fail(ErrorCode::kInvalidArgument, "the payload would be nested deeper than " +
                                                 std::to_string(kPayloadDepthMax) + " levels");
  }
  return text;
}

Result<std::string> DeletePayloadKeys(std::string_view payload,
                                      std::span<const std::string> paths) {
  ALMAGEST_TRY(Json object, ParseObject(payload));
  for (const std::string& path : paths) {
    ALMAGEST_TRY(const PayloadPath parsed, PayloadPath::Parse(path));
    RemoveAt(object, parsed.steps());
  }
  return ToText(object);
}

}  // namespace almagest
