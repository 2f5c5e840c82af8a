#include "client/commands/learning_request.h"

namespace almagest::client {
namespace {

Json Judgements(const JudgedQuery& query) {
  Json judgements = Json::array();
  for (const auto& [id, grade] : query.judgements) {
    judgements.push_back({{"id", id}, {"grade", grade}});
  }
  return judgements;
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
    Json entry = {{"judgements", Judgements(query)}};
    if (!query.name.empty()) entry["name"] = query.name;
    if (query.target.is_object() && query.target.contains("text")) {
      entry["text"] = query.target["text"];
    } else if (query.target.is_array() || query.target.is_object()) {
      entry["vectors"] = {{kQueryVectorName, query.target}};
    } else {
      entry["point"] = query.target;
    }
    queries.push_back(std::move(entry));
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

}  // namespace almagest::client
