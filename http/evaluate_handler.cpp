// POST /collections/{c}/evaluate: search quality on given judgements, per mode and version.
//
// A mode is the body of a query with placeholders, so that 1,500 queries need not repeat it:
//   {"query": {"$text": "use-lite"}, "using": "dense"}
// `{"$text": model, "options"?}` is the query's `text` through that model, `{"$vector": name}` its
// `vectors.name`, `{"$point": true}` its `point`. All texts of the request are embedded in batches.
#include <fmt/format.h>

#include "http/error_response.h"
#include "http/feedback_parser.h"
#include "http/filter_parser.h"
#include "http/handlers.h"
#include "http/interval_writer.h"
#include "http/json_reader.h"
#include "http/query_parser.h"
#include "http/text_resolver.h"
#include "http/vector_parser.h"

namespace almagest {
namespace {

// Evaluations take longer than a search; ?timeout= changes it.
constexpr int kEvaluationTimeoutSeconds = 600;

struct Mode {
  std::string name;
  JsonValue query;
};

Result<std::vector<Mode>> ParseModes(const JsonValue& body) {
  ALMAGEST_TRY(const JsonValue value, body.Require("modes"));
  ALMAGEST_TRY(const auto members, value.Members());
  if (members.empty()) return Fail(ValueError(value.path(), "{}", "at least one mode"));
  std::vector<Mode> modes;
  for (const auto& [name, query] : members) modes.push_back({std::string(name), query});
  return modes;
}

Result<JudgedQuery> ParseJudgedQuery(const JsonValue& value, const std::vector<Mode>& modes,
                                     TextResolver& texts) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"name", "text", "vectors", "point", "judgements"}));
  JudgedQuery query;
  ALMAGEST_TRY(const auto name, value.FindString("name"));
  query.name = name.value_or("");
  QueryBindings bindings;
  bindings.path = value.path();
  ALMAGEST_TRY(bindings.text, value.FindString("text"));
  if (const auto vectors = value.Find("vectors")) {
    ALMAGEST_TRY(const auto members, vectors->Members());
    for (const auto& [vector_name, vector] : members) {
      ALMAGEST_TRY(VectorData data, ParseVector(vector, texts, /*is_query=*/true));
      bindings.vectors.emplace(std::string(vector_name), std::move(data));
    }
  }
  if (const auto point = value.Find("point")) {
    ALMAGEST_TRY(bindings.point, ParsePointId(*point));
  }
  for (const Mode& mode : modes) {
    ALMAGEST_TRY(QueryNode node, ParseQueryTemplate(mode.query, texts, bindings));
    query.modes.push_back(std::move(node));
  }
  ALMAGEST_TRY(const auto judged, ParseJudgedPoints(value));
  for (const Grade& entry : judged) query.judgements.push_back({entry.id, entry.grade});
  return query;
}

// "compare": [a, b], two indexes into the results; the answer has b - a.
Result<std::pair<size_t, size_t>> ParseComparison(const JsonValue& value) {
  ALMAGEST_TRY(const auto items, value.Items());
  if (items.size() != 2) {
    return Fail(ValueError(value.path(), fmt::format("of {} entries", items.size()),
                           "two indexes of results"));
  }
  ALMAGEST_TRY(const uint64_t first, items[0].AsUnsignedIn(0, kEvaluationResultsMax - 1));
  ALMAGEST_TRY(const uint64_t second, items[1].AsUnsignedIn(0, kEvaluationResultsMax - 1));
  return std::pair<size_t, size_t>(first, second);
}

Result<EvaluationRequest> ParseEvaluation(const JsonValue& body, TextResolver& texts) {
  ALMAGEST_TRY_VOID(body.RefuseUnknownKeys({"queries", "modes", "versions", "k", "recall_k",
                                            "exponential_gain", "per_query", "compare"}));
  EvaluationRequest request;
  ALMAGEST_TRY(const auto modes, ParseModes(body));
  for (const Mode& mode : modes) request.mode_names.push_back(mode.name);
  ALMAGEST_TRY(const JsonValue queries, body.Require("queries"));
  ALMAGEST_TRY(const auto items, queries.Items());
  if (items.empty() || items.size() > kEvaluationQueriesMax) {
    return Fail(ValueError(queries.path(), fmt::format("of {} entries", items.size()),
                           fmt::format("from 1 to {} entries", kEvaluationQueriesMax)));
  }
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(JudgedQuery query, ParseJudgedQuery(item, modes, texts));
    request.queries.push_back(std::move(query));
  }
  if (const auto versions = body.Find("versions")) {
    ALMAGEST_TRY(const auto numbers, versions->Items());
    for (const JsonValue& number : numbers) {
      ALMAGEST_TRY(const uint64_t version, number.AsUnsignedIn(0, UINT32_MAX));
      request.versions.push_back(static_cast<VersionId>(version));
    }
  }
  if (const auto k = body.Find("k")) {
    ALMAGEST_TRY(request.k, k->AsUnsignedIn(1, kEvaluationDepthMax));
  }
  if (const auto recall_k = body.Find("recall_k")) {
    ALMAGEST_TRY(request.recall_k, recall_k->AsUnsignedIn(1, kEvaluationDepthMax));
  }
  ALMAGEST_TRY(const auto exponential, body.FindBool("exponential_gain"));
  ALMAGEST_TRY(const auto per_query, body.FindBool("per_query"));
  request.exponential_gain = exponential.value_or(false);
  request.per_query = per_query.value_or(false);
  if (const auto compare = body.Find("compare")) {
    ALMAGEST_TRY(request.compare, ParseComparison(*compare));
  }
  return request;
}

void WriteReport(JsonWriter& json, const EvaluationRequest& request,
                 const EvaluationReport& report) {
  json.BeginObject();
  json.Key("k").Unsigned(request.k).Key("recall_k").Unsigned(request.recall_k);
  json.Key("queries_left_out").Unsigned(report.queries_left_out);
  json.Key("results").BeginArray();
  for (const EvaluationResult& result : report.results) {
    json.BeginObject();
    json.Key("mode").String(result.mode);
    if (result.version) json.Key("version").Unsigned(*result.version);
    json.Key("queries").Unsigned(result.queries);
    WriteInterval(json, "ndcg", result.ndcg);
    WriteInterval(json, "recall", result.recall);
    WriteInterval(json, "deep_recall", result.deep_recall);
    WriteInterval(json, "mrr", result.mrr);
    if (request.per_query) {
      json.Key("ndcg_per_query").BeginArray();
      for (const double value : result.ndcg_per_query) json.Double(value);
      json.EndArray();
    }
    json.EndObject();
  }
  json.EndArray();
  if (report.ndcg_difference) WriteInterval(json, "ndcg_difference", *report.ndcg_difference);
  json.EndObject();
}

}  // namespace

Result<Reply> HandleEvaluate(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const Deadline deadline, ReadDeadline(request, kEvaluationTimeoutSeconds));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(EvaluationRequest evaluation,
               ParseWithTexts(service.database.text_models(), service.encoder_threads,
                              [&](TextResolver& texts) { return ParseEvaluation(body, texts); }));
  evaluation.deadline = deadline;
  ALMAGEST_TRY(const EvaluationReport report,
               service.database.learning().Evaluate(*collection, evaluation));
  JsonWriter json = BeginResult();
  WriteReport(json, evaluation, report);
  return ResultReply(std::move(json));
}

}  // namespace almagest
