#include "tests/http/openapi_schema.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace almagest {
namespace {

using nlohmann::json;

json ToJson(const YAML::Node& node) {
  if (node.IsSequence()) {
    json array = json::array();
    for (const YAML::Node& item : node) array.push_back(ToJson(item));
    return array;
  }
  if (node.IsMap()) {
    json object = json::object();
    for (const auto& entry : node) object[entry.first.as<std::string>()] = ToJson(entry.second);
    return object;
  }
  const std::string text = node.IsNull() ? "null" : node.Scalar();
  if (node.Tag() == "!") return text;  // Quoted.
  const json scalar = json::parse(text, nullptr, false);
  return scalar.is_discarded() || scalar.is_structured() ? json(text) : scalar;
}

bool HasType(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  return false;
}

// The schema words that the validator understands; others would be checked silently by nobody.
const std::set<std::string>& KnownWords() {
  static const std::set<std::string> words{"$ref",
                                           "type",
                                           "properties",
                                           "required",
                                           "items",
                                           "enum",
                                           "additionalProperties",
                                           "oneOf",
                                           "allOf",
                                           "nullable",
                                           "minimum",
                                           "maximum",
                                           "minItems",
                                           "maxItems",
                                           "description",
                                           "default",
                                           "format"};
  return words;
}

}  // namespace

json LoadYaml(const std::string& path) { return ToJson(YAML::LoadFile(path)); }

const json& OpenApi::Resolve(const json& node) const {
  if (!node.is_object() || !node.contains("$ref")) return node;
  const std::string reference = node["$ref"];
  return Resolve(document_.at(json::json_pointer(reference.substr(1))));
}

std::vector<std::string> OpenApi::Operations() const {
  std::vector<std::string> operations;
  for (const auto& [path, item] : document_.at("paths").items()) {
    for (const auto& [method, operation] : item.items()) {
      if (method == "parameters") continue;
      std::string upper = method;
      std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
      operations.push_back(upper + " " + path);
    }
  }
  std::sort(operations.begin(), operations.end());
  return operations;
}

std::vector<std::string> OpenApi::DanglingReferences() const {
  std::vector<std::string> dangling;
  const std::function<void(const json&)> visit = [&](const json& node) {
    if (node.is_object() && node.contains("$ref")) {
      const std::string reference = node["$ref"];
      if (!document_.contains(json::json_pointer(reference.substr(1))))
        dangling.push_back(reference);
    }
    if (!node.is_structured()) return;
    for (const json& child : node) visit(child);
  };
  visit(document_);
  return dangling;
}

std::vector<std::string> OpenApi::Check(const std::string& method, const std::string& pattern,
                                        unsigned status, const json& body) const {
  std::string lower = method;
  std::transform(lower.begin(), lower.end(), lower.begin(), ::tolower);
  const json& responses = document_.at("paths").at(pattern).at(lower).at("responses");
  const std::string code = std::to_string(status);
  const bool is_listed = responses.contains(code);
  if (!is_listed && (status < 400 || !responses.contains("default"))) {
    return {"status " + code + " is not described"};
  }
  const json& content = Resolve(responses.at(is_listed ? code : "default")).at("content");
  if (!content.contains("application/json")) return {};
  std::vector<std::string> faults;
  CheckSchema(content["application/json"].at("schema"), body, "$", faults);
  return faults;
}

void OpenApi::CheckSchema(const json& given, const json& value, const std::string& place,
                          std::vector<std::string>& faults) const {
  const json& schema = Resolve(given);
  for (const auto& [word, unused] : schema.items()) {
    if (!KnownWords().contains(word)) faults.push_back(place + ": unknown schema word " + word);
  }
  if (value.is_null() && schema.value("nullable", false)) return;
  if (schema.contains("type") && !HasType(value, schema["type"])) {
    faults.push_back(place + ": expected " + schema["type"].get<std::string>() + ", got " +
                     value.dump().substr(0, 80));
    return;
  }
  if (schema.contains("enum")) {
    const json& allowed = schema["enum"];
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
      faults.push_back(place + ": " + value.dump() + " is none of " + allowed.dump());
    }
  }
  if (value.is_number()) {
    const double number = value;
    if (number < schema.value("minimum", number) || number > schema.value("maximum", number)) {
      faults.push_back(place + ": " + value.dump() + " is out of range");
    }
  }
  for (const json& part : schema.value("allOf", json::array())) {
    CheckSchema(part, value, place, faults);
  }
  if (schema.contains("oneOf")) {
    const json& choices = schema["oneOf"];
    const bool any = std::any_of(choices.begin(), choices.end(), [&](const json& choice) {
      std::vector<std::string> inner;
      CheckSchema(choice, value, place, inner);
      return inner.empty();
    });
    if (!any) faults.push_back(place + ": " + value.dump().substr(0, 80) + " fits no choice");
  }
  if (value.is_array() && schema.contains("items")) {
    for (size_t i = 0; i < value.size(); ++i) {
      CheckSchema(schema["items"], value[i], place + "[" + std::to_string(i) + "]", faults);
    }
  }
  if (!value.is_object()) return;
  for (const json& name : schema.value("required", json::array())) {
    if (!value.contains(name)) faults.push_back(place + ": " + name.dump() + " is missing");
  }
  const json properties = schema.value("properties", json::object());
  for (const auto& [name, member] : value.items()) {
    const std::string inner = place + "." + name;
    if (properties.contains(name)) {
      CheckSchema(properties[name], member, inner, faults);
    } else if (schema.contains("additionalProperties")) {
      const json& others = schema["additionalProperties"];
      if (others.is_boolean()) {
        if (!others.get<bool>()) faults.push_back(inner + ": is not described");
      } else {
        CheckSchema(others, member, inner, faults);
      }
    }
  }
}

}  // namespace almagest
