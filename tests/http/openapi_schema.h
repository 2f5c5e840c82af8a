// docs/openapi.yaml as JSON, and a validator for the part of JSON Schema that it uses.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace almagest {

// YAML to JSON (core schema: plain scalars become numbers and booleans). Aborts on broken YAML.
nlohmann::json LoadYaml(const std::string& path);

class OpenApi {
 public:
  explicit OpenApi(nlohmann::json document) : document_(std::move(document)) {}

  // "GET /collections/{collection}", ascending.
  std::vector<std::string> Operations() const;

  // The faults of a JSON answer against the schema of that operation and status (or `default`);
  // one line each, beginning with the place. Also a fault: the status is not described.
  std::vector<std::string> Check(const std::string& method, const std::string& pattern,
                                 unsigned status, const nlohmann::json& body) const;
  // Names of references that lead nowhere.
  std::vector<std::string> DanglingReferences() const;

 private:
  const nlohmann::json& Resolve(const nlohmann::json& node) const;
  void CheckSchema(const nlohmann::json& schema, const nlohmann::json& value,
                   const std::string& place, std::vector<std::string>& faults) const;

  nlohmann::json document_;
};

}  // namespace almagest
