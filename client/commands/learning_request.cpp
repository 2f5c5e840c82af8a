#include "client/commands/learning_request.h"

#include <algorithm>

namespace almagest::client {
namespace {

Json Judgements(const JudgedQuery& query) {
  Json judgements = Json::array();
  for (const auto& [id, grade] : query.judgements) {
    judgements.push_back({{"id", id}, {"grade", grade}});
  }
  return judgements;
}

// A query as POST .../evaluate and `trusted` take it; a plain vector is called `vector_name`.
Json JudgedEntry(const JudgedQuery& query, std::string_view vector_name) {
  Json entry = {{"judgements", Judgements(query)}};
  if (!query.name.empty()) entry["name"] = query.name;
  if (query.target.is_object() && query.target.contains("text")) {
    entry["text"] = query.target["text"];
  } else if (query.target.is_array() || query.target.is_object()) {
    entry["vectors"] = {{vector_name, query.target}};
  } else {
    entry["point"] = query.target;
  }
  return entry;
}

}  // namespace

Json TextPlaceholder(std::string_view model) { return {{"$text", model}}; }
Json VectorPlaceholder(std::string_view name) { return {{"$vector", name}}; }
Json PointPlaceholder() { return {{"$point", true}}; }

Json EvaluationBody(const EvaluationRequest& request) {
  Json body = {{"k", request.k}, {"per_query", request.per_query}, {"modes", request.modes}};
  if (!request.versions.empty()) body["versions"] = request.versions;
  Json& queries = body["queries"] = Json::array();
  for (const JudgedQuery& query : request.queries) {
    queries.push_back(JudgedEntry(query, kQueryVectorName));
  }
  return body;
}

Json GradedEvent(const JudgedQuery& query, std::string_view using_vector) {
  const Json& target = query.target;
  Json asked;
  if (target.is_array()) {
    asked["vector"] = target;
  } else if (target.is_object()) {
    asked = target;  // {"text", "model"}
  } else {
    asked["point"] = target;
  }
  Json event = {{"query", asked}, {"grades", Judgements(query)}};
  if (!using_vector.empty()) event["using"] = using_vector;
  return event;
}

Json TrustedJudgements(const std::vector<JudgedQuery>& queries, std::string_view using_vector,
                       std::string_view model) {
  Json entries = Json::array();
  bool has_text = false;
  for (const JudgedQuery& query : queries) {
    const bool has_relevant = std::ranges::any_of(
        query.judgements, [](const auto& judgement) { return judgement.second > 0; });
    if (!has_relevant) continue;
    entries.push_back(JudgedEntry(query, using_vector));
    has_text |= entries.back().contains("text");
  }
  if (entries.empty()) throw ClientError("--trusted names no relevant document");
  Json body = {{"queries", std::move(entries)}};
  if (has_text) body["model"] = model;
  return body;
}

}  // namespace almagest::client
