// Bridges between the vectors of two embedding models: fit, list, activate, deactivate, delete.
#include <charconv>

#include "engine/collection/bridge.h"
#include "engine/learning/bridge_export.h"
#include "http/error_response.h"
#include "http/feedback_parser.h"
#include "http/handlers.h"
#include "http/json_reader.h"
#include "http/vector_parser.h"

namespace almagest {
namespace {

Result<DenseVector> ParseDense(const JsonValue& value, TextResolver& texts) {
  ALMAGEST_TRY(VectorData data, ParseVector(value, texts, /*is_query=*/true));
  if (auto* dense = std::get_if<DenseVector>(&data)) return std::move(*dense);
  return Fail(
      FormatError(value.path(), "expected an array of numbers or a text for a dense model"));
}

Result<BridgeQuery> ParseBridgeQuery(const JsonValue& value, TextResolver& texts) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"from", "to", "judgements"}));
  BridgeQuery query;
  ALMAGEST_TRY(const JsonValue from, value.Require("from"));
  ALMAGEST_TRY(query.from, ParseDense(from, texts));
  if (const auto to = value.Find("to")) {
    ALMAGEST_TRY(query.to, ParseDense(*to, texts));
  }
  ALMAGEST_TRY(query.judgements, ParseJudgedPoints(value));
  return query;
}

Result<AdaptationRequest> ParseBridgeRequest(const JsonValue& body, TextResolver& texts) {
  ALMAGEST_TRY_VOID(
      body.RefuseUnknownKeys({"from", "to", "activate", "force", "sample", "seed", "queries"}));
  AdaptationRequest request;
  auto bridge = std::make_shared<BridgeRequest>();
  request.objective = kBridgeObjective;
  ALMAGEST_TRY(const JsonValue from, body.Require("from"));
  ALMAGEST_TRY(request.vector_name, from.AsString());
  ALMAGEST_TRY(const JsonValue to, body.Require("to"));
  ALMAGEST_TRY(bridge->to, to.AsString());
  ALMAGEST_TRY(const auto activate, body.FindBool("activate"));
  ALMAGEST_TRY(const auto force, body.FindBool("force"));
  ALMAGEST_TRY(const auto seed, body.FindUnsigned("seed"));
  request.activate = activate.value_or(request.activate);
  request.seed = seed.value_or(request.seed);
  bridge->force = force.value_or(bridge->force);
  if (const auto sample = body.Find("sample")) {
    ALMAGEST_TRY(bridge->sample, sample->AsUnsignedIn(kBridgePairsMin, kBridgeSampleMax));
  }
  if (const auto queries = body.Find("queries")) {
    ALMAGEST_TRY(const auto items, queries->Items());
    if (items.size() > kBridgeQueriesMax) {
      return Fail(ErrorCode::kOutOfRange, "queries: there are " + std::to_string(items.size()) +
                                              ", the limit is " +
                                              std::to_string(kBridgeQueriesMax));
    }
    for (const JsonValue& item : items) {
      ALMAGEST_TRY(auto query, ParseBridgeQuery(item, texts));
      bridge->queries.push_back(std::move(query));
    }
  }
  request.bridge = std::move(bridge);
  return request;
}

Result<uint64_t> PathBridge(const HttpRequest& request) {
  const std::string& text = request.PathParam("bridge");
  uint64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error == std::errc() && end == text.data() + text.size()) return id;
  return Fail(FormatError("bridge", "expected a bridge's number, got '" + text + "'"));
}

Result<> WriteBridge(JsonWriter& json, const Collection& collection, const Bridge& bridge) {
  const BridgeRecord& record = bridge.record();
  ALMAGEST_TRY(const BridgeProgress progress,
               MeasureBridgeProgress(collection, record.from_name, record.to_name));
  ALMAGEST_TRY(const auto from, collection.Versions(record.from_name));
  ALMAGEST_TRY(const auto to, collection.Versions(record.to_name));
  json.BeginObject();
  json.Key("id").Unsigned(record.id);
  json.Key("from").String(record.from_name);
  json.Key("to").String(record.to_name);
  json.Key("status").String(BridgeStatusName(record.status));
  json.Key("kind").String(bridge.kind());
  json.Key("created_at_ms").Integer(record.created_at_ms);
  json.Key("job").String(record.job_id);
  // Scores were made comparable for these adapter versions.
  json.Key("fitted_for").BeginObject();
  json.Key("from_version").Unsigned(record.from_version);
  json.Key("to_version").Unsigned(record.to_version);
  json.Key("current").Bool(from->active() == record.from_version &&
                           to->active() == record.to_version);
  json.EndObject();
  json.Key("progress").BeginObject();
  json.Key("points").Unsigned(progress.points);
  json.Key("with_from").Unsigned(progress.with_from);
  json.Key("with_to").Unsigned(progress.with_to);
  json.Key("with_both").Unsigned(progress.with_both);
  json.Key("share").Double(progress.share());
  json.EndObject();
  json.Key("report").Raw(record.report_json);
  json.EndObject();
  return {};
}

Result<Reply> BridgesReply(const Collection& collection) {
  JsonWriter json = BeginResult();
  json.BeginObject().Key("bridges").BeginArray();
  for (const auto& bridge : collection.Bridges()) {
    ALMAGEST_TRY_VOID(WriteBridge(json, collection, *bridge));
  }
  json.EndArray().EndObject();
  return ResultReply(std::move(json));
}

}  // namespace

Result<Reply> HandleStartBridge(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(
      const AdaptationRequest bridge,
      ParseWithTexts(service.database.text_models(), service.encoder_threads,
                     [&](TextResolver& texts) { return ParseBridgeRequest(body, texts); }));
  Learning& learning = service.database.learning();
  ALMAGEST_TRY(const std::string id, learning.StartBridge(collection->name(), bridge));
  ALMAGEST_TRY(const Job job, learning.FindJob(id));
  JsonWriter json = BeginResult();
  WriteJob(json, job);
  Reply reply = ResultReply(std::move(json), 202);
  reply.headers.emplace_back("Location", "/jobs/" + id);
  return reply;
}

Result<Reply> HandleListBridges(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  return BridgesReply(*collection);
}

Result<Reply> HandleActivateBridge(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const uint64_t id, PathBridge(request));
  bool force = false;
  if (!request.body.empty()) {
    ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
    ALMAGEST_TRY_VOID(body.RefuseUnknownKeys({"force"}));
    ALMAGEST_TRY(const auto given, body.FindBool("force"));
    force = given.value_or(false);
  }
  ALMAGEST_TRY_VOID(collection->ActivateBridge(id, force));
  return BridgesReply(*collection);
}

Result<Reply> HandleDeactivateBridge(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const uint64_t id, PathBridge(request));
  ALMAGEST_TRY_VOID(collection->DeactivateBridge(id));
  return BridgesReply(*collection);
}

Result<Reply> HandleDeleteBridge(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const uint64_t id, PathBridge(request));
  ALMAGEST_TRY_VOID(collection->RemoveBridge(id));
  return BoolReply(true);
}

}  // namespace almagest
