#include "client/commands/query_builder.h"

#include <algorithm>

namespace almagest::client {
namespace {

constexpr int kRrfConstant = 60;

std::string ListOf(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + ("\"" + name + "\"");
  return list;
}

}  // namespace

Json TextVector(std::string_view text, std::string_view model) {
  return {{"text", text}, {"model", model}};
}

Json NearestNode(const Json& target, std::string_view using_vector, uint32_t limit) {
  Json node = {{"query", {{"nearest", target}}}, {"limit", limit}};
  if (!using_vector.empty()) node["using"] = using_vector;
  return node;
}

Json HybridNode(const Json& dense_target, std::string_view dense_name, const Json& sparse_target,
                std::string_view sparse_name, uint32_t depth, uint32_t limit) {
  Json node;
  node["prefetch"] = Json::array({NearestNode(dense_target, dense_name, depth),
                                  NearestNode(sparse_target, sparse_name, depth)});
  node["query"] = {{"rrf", {{"k", kRrfConstant}}}};
  node["limit"] = limit;
  return node;
}

VectorFields FieldsOf(const Json& collection_info) {
  VectorFields fields;
  const Json& params = collection_info.at("config").at("params");
  if (params.contains("vectors")) {
    const Json& vectors = params["vectors"];
    if (vectors.contains("size")) {
      fields.dense.push_back("");
    } else {
      for (const auto& [name, config] : vectors.items()) fields.dense.push_back(name);
    }
  }
  if (params.contains("sparse_vectors") && params["sparse_vectors"].is_object()) {
    for (const auto& [name, config] : params["sparse_vectors"].items()) {
      fields.sparse.push_back(name);
    }
  }
  return fields;
}

std::string OnlyOrChosen(const std::vector<std::string>& names, const std::string& chosen,
                         std::string_view kind, std::string_view option) {
  const std::string kind_text(kind);
  if (!chosen.empty()) {
    if (std::find(names.begin(), names.end(), chosen) == names.end()) {
      throw ClientError("the collection has no " + kind_text + " vector \"" + chosen +
                        "\"; it has " + (names.empty() ? "none" : ListOf(names)));
    }
    return chosen;
  }
  if (names.empty()) throw ClientError("the collection has no " + kind_text + " vector");
  if (names.size() > 1) {
    throw ClientError("the collection has several " + kind_text + " vectors (" + ListOf(names) +
                      "); choose one with " + std::string(option));
  }
  return names.front();
}

Json ParseOption(const std::string& text, std::string_view option) {
  Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) throw ClientError(std::string(option) + " is not JSON: " + text);
  return value;
}

}  // namespace almagest::client
