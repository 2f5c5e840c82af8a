// POST /collections/{c}/evaluate/clicks: what adapter versions would have been worth to users,
// estimated from the clicks of searches that explored, and which of two that were interleaved won.
#include "http/error_response.h"
#include "http/handlers.h"
#include "http/interval_writer.h"
#include "http/json_reader.h"

namespace almagest {
namespace {

constexpr int kClickEvaluationTimeoutSeconds = 600;

Result<ClickEvaluationRequest> ParseClickEvaluation(const JsonValue& body) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseUnknownKeys(
      {"using", "versions", "k", "position_bias", "clip", "from_ms", "until_ms"}));
  ClickEvaluationRequest request;
  ALMAGEST_TRY(const auto using_vector, body.FindString("using"));
  request.vector_name = using_vector.value_or("");
  if (const auto versions = body.Find("versions")) {
    ALMAGEST_TRY(const auto numbers, versions->Items());
    for (const JsonValue& number : numbers) {
      ALMAGEST_TRY(const uint64_t version, number.AsUnsignedIn(0, UINT32_MAX));
      request.versions.push_back(static_cast<VersionId>(version));
    }
  }
  if (const auto k = body.Find("k")) {
    ALMAGEST_TRY(const uint64_t depth, k->AsUnsignedIn(1, kClickDepthMax));
    request.k = static_cast<uint32_t>(depth);
  }
  if (const auto bias = body.Find("position_bias")) {
    ALMAGEST_TRY(request.position_bias, bias->AsDoubleIn(0, kPositionBiasMax));
  }
  if (const auto clip = body.Find("clip")) {
    ALMAGEST_TRY(request.clip, clip->AsDoubleIn(1, kClipMax));
  }
  if (const auto from = body.Find("from_ms")) {
    ALMAGEST_TRY(request.from_ms, from->AsInteger());
  }
  if (const auto until = body.Find("until_ms")) {
    ALMAGEST_TRY(request.until_ms, until->AsInteger());
  }
  return request;
}

void WriteClickValues(JsonWriter& json, const ClickValues& values) {
  WriteInterval(json, "reciprocal_rank", values.reciprocal_rank);
  WriteInterval(json, "discounted_gain", values.discounted_gain);
}

void WriteClickReport(JsonWriter& json, const ClickEvaluationRequest& request,
                      const ClickEvaluationReport& report) {
  json.BeginObject();
  json.Key("using").String(request.vector_name);
  json.Key("k").Unsigned(request.k);
  json.Key("position_bias").Double(request.position_bias);
  json.Key("verdict").String(VerdictName(report.verdict));
  json.Key("reason").String(report.reason);
  json.Key("searches").Unsigned(report.searches);
  json.Key("searches_logged").Unsigned(report.searches_logged);
  json.Key("searches_explored").Unsigned(report.searches_explored);
  json.Key("clicks").Unsigned(report.clicks);
  json.Key("clicks_left_out").Unsigned(report.clicks_left_out);
  json.Key("effective_sample_size").Double(report.effective_sample_size);
  json.Key("clip").Double(report.clip);
  json.Key("clipped_share").Double(report.clipped_share);
  json.Key("versions").BeginArray();
  for (const VersionId version : report.versions) json.Unsigned(version);
  json.EndArray().Key("results").BeginArray();
  for (const ClickEvaluationResult& result : report.results) {
    json.BeginObject().Key("version").Unsigned(result.version);
    WriteClickValues(json, result.values);
    if (result.over_first) {
      json.Key("over_first").BeginObject();
      WriteClickValues(json, *result.over_first);
      json.EndObject();
    }
    json.EndObject();
  }
  json.EndArray().Key("interleavings").BeginArray();
  for (const InterleavingOutcome& outcome : report.interleavings) {
    json.BeginObject().Key("versions").BeginArray();
    json.Unsigned(outcome.first).Unsigned(outcome.second).EndArray();
    json.Key("searches").Unsigned(outcome.searches);
    json.Key("wins").BeginArray();
    json.Unsigned(outcome.first_wins).Unsigned(outcome.second_wins).EndArray();
    json.Key("ties").Unsigned(outcome.ties);
    json.Key("p_value").Double(outcome.p_value).EndObject();
  }
  json.EndArray().EndObject();
}

}  // namespace

Result<Reply> HandleEvaluateClicks(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const Deadline deadline, ReadDeadline(request, kClickEvaluationTimeoutSeconds));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(ClickEvaluationRequest evaluation, ParseClickEvaluation(body));
  const CollectionConfig config = collection->config();
  if (!body.Find("using") && config.dense.size() == 1) {
    evaluation.vector_name = config.dense.begin()->first;
  }
  evaluation.deadline = deadline;
  ALMAGEST_TRY(const ClickEvaluationReport report,
               service.database.learning().EvaluateByClicks(*collection, evaluation));
  JsonWriter json = BeginResult();
  WriteClickReport(json, evaluation, report);
  return ResultReply(std::move(json));
}

}  // namespace almagest
