// Reads that answer more than a list of hits: groups, facets, the distance matrix.
#include <fmt/format.h>

#include "engine/search/distance_matrix.h"
#include "engine/search/facet.h"
#include "engine/search/grouping.h"
#include "engine/search/query_executor.h"
#include "http/error_response.h"
#include "http/filter_parser.h"
#include "http/handlers.h"
#include "http/json_reader.h"
#include "http/query_parser.h"
#include "http/read_options.h"
#include "http/result_writer.h"

namespace almagest {
namespace {

using QueryBodyParser = Result<ParsedQuery> (*)(const JsonValue&, TextResolver&);

// with_lookup: the points of another collection whose ids are the groups' values.
struct GroupLookup {
  std::string collection;
  PayloadSelector with_payload{PayloadSelector::Mode::kAll, {}};
  VectorSelector with_vector;
};

Result<std::optional<GroupLookup>> FindGroupLookup(const JsonValue& body) {
  const auto value = body.Find("with_lookup");
  if (!value) return std::optional<GroupLookup>();
  GroupLookup lookup;
  if (value->IsString()) {
    ALMAGEST_TRY(lookup.collection, value->AsString());
    return std::optional<GroupLookup>(std::move(lookup));
  }
  ALMAGEST_TRY(const JsonValue collection, value->Require("collection"));
  ALMAGEST_TRY(lookup.collection, collection.AsString());
  ALMAGEST_TRY(lookup.with_payload, FindPayloadSelector(*value, PayloadSelector::Mode::kAll));
  ALMAGEST_TRY(lookup.with_vector, FindVectorSelector(*value));
  return std::optional<GroupLookup>(std::move(lookup));
}

// The point id that a group's value spells; nullopt if it is none.
std::optional<PointId> AsPointId(const MatchScalar& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    if (*number < 0) return std::nullopt;
    return PointId(static_cast<uint64_t>(*number));
  }
  const auto* text = std::get_if<std::string>(&value);
  const auto uuid = text ? ParseUuid(*text) : std::nullopt;
  return uuid ? std::optional<PointId>(*uuid) : std::nullopt;
}

void WriteScalar(JsonWriter& json, const MatchScalar& value) {
  if (const auto* boolean = std::get_if<bool>(&value)) {
    json.Bool(*boolean);
  } else if (const auto* number = std::get_if<int64_t>(&value)) {
    json.Integer(*number);
  } else {
    json.String(std::get<std::string>(value));
  }
}

Result<> WriteGroup(JsonWriter& json, const HitGroup& group, const Collection* source,
                    const std::optional<GroupLookup>& lookup) {
  json.BeginObject().Key("hits");
  WriteScoredPoints(json, group.hits);
  json.Key("id");
  WriteScalar(json, group.id);
  const auto id = AsPointId(group.id);
  if (source != nullptr && id) {
    ALMAGEST_TRY(const auto found,
                 Retrieve(*source, std::span(&*id, 1), lookup->with_payload, lookup->with_vector));
    if (!found.empty()) {
      json.Key("lookup");
      WriteRecord(json, found.front());
    }
  }
  json.EndObject();
  return {};
}

Result<Reply> HandleGroups(Service& service, const HttpRequest& request, QueryBodyParser parse) {
  ALMAGEST_TRY(const Deadline deadline, ReadDeadline(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY_VOID(body.RefuseKey("offset", "groups have no pages; ask for more groups"));
  ALMAGEST_TRY_VOID(body.RefuseKey("explain", "ask for it with the same query without groups"));
  ALMAGEST_TRY(const JsonValue group_by, body.Require("group_by"));
  GroupRequest groups;
  ALMAGEST_TRY(groups.group_by, group_by.AsString());
  if (const auto size = body.Find("group_size")) {
    ALMAGEST_TRY(groups.group_size, size->AsUnsignedIn(1, UINT64_MAX));
  }
  ALMAGEST_TRY(const auto lookup, FindGroupLookup(body));
  std::shared_ptr<Collection> source;
  if (lookup) {
    auto found = ReadableCollection(service, lookup->collection);
    if (!found && found.error().code == ErrorCode::kNotFound) {
      return Fail(ErrorCode::kNotFound, "Collection " + lookup->collection + " not found");
    }
    ALMAGEST_TRY(source, std::move(found));
  }
  ALMAGEST_TRY(ParsedQuery parsed,
               ParseWithTexts(service.database.text_models(), service.encoder_threads,
                              [&](TextResolver& texts) { return parse(body, texts); }));
  groups.query = std::move(parsed.request);
  groups.query.deadline = deadline;
  groups.query.find_collection = [&service](const std::string& name) {
    return ReadableCollection(service, name);
  };
  ALMAGEST_TRY(const auto found, ExecuteGroups(*collection, groups));
  JsonWriter json = BeginResult();
  json.BeginObject().Key("groups").BeginArray();
  for (const HitGroup& group : found) {
    ALMAGEST_TRY_VOID(WriteGroup(json, group, source.get(), lookup));
  }
  json.EndArray().EndObject();
  return ResultReply(std::move(json));
}

Result<DistanceMatrix> RunMatrix(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const Deadline deadline, ReadDeadline(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseKey("shard_key", "collections have one shard"));
  MatrixRequest matrix;
  matrix.deadline = deadline;
  ALMAGEST_TRY(matrix.using_vector, FindUsing(body));
  ALMAGEST_TRY(matrix.filter, FindFilter(body));
  if (const auto sample = body.Find("sample")) {
    ALMAGEST_TRY(matrix.sample, sample->AsUnsignedIn(2, UINT64_MAX));
  }
  if (const auto limit = body.Find("limit")) {
    ALMAGEST_TRY(matrix.limit, limit->AsUnsignedIn(1, UINT64_MAX));
  }
  return SampleDistances(*collection, matrix);
}

}  // namespace

Result<Reply> HandleQueryGroups(Service& service, const HttpRequest& request) {
  return HandleGroups(service, request, ParseQueryRequest);
}

Result<Reply> HandleSearchGroups(Service& service, const HttpRequest& request) {
  return HandleGroups(service, request, ParseSearchRequest);
}

Result<Reply> HandleRecommendGroups(Service& service, const HttpRequest& request) {
  return HandleGroups(service, request, ParseRecommendRequest);
}

Result<Reply> HandleFacet(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const Deadline deadline, ReadDeadline(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY_VOID(body.RefuseKey("shard_key", "collections have one shard"));
  ALMAGEST_TRY(const JsonValue key, body.Require("key"));
  ALMAGEST_TRY_VOID(body.FindBool("exact"));  // An exact count is also a good estimate.
  FacetRequest facet;
  facet.deadline = deadline;
  ALMAGEST_TRY(facet.key, key.AsString());
  ALMAGEST_TRY(facet.filter, FindFilter(body));
  ALMAGEST_TRY(facet.limit, FindLimit(body, "limit"));
  ALMAGEST_TRY(const auto counts, CountValues(*collection, facet));
  JsonWriter json = BeginResult();
  json.BeginObject().Key("hits").BeginArray();
  for (const FacetCount& count : counts) {
    json.BeginObject().Key("value");
    WriteScalar(json, count.value);
    json.Key("count").Unsigned(count.count).EndObject();
  }
  json.EndArray().EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleMatrixPairs(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const DistanceMatrix matrix, RunMatrix(service, request));
  JsonWriter json = BeginResult();
  json.BeginObject().Key("pairs").BeginArray();
  for (const DistanceMatrix::Entry& entry : matrix.entries) {
    json.BeginObject().Key("a");
    WritePointId(json, matrix.ids[entry.row]);
    json.Key("b");
    WritePointId(json, matrix.ids[entry.column]);
    json.Key("score").Float(entry.score).EndObject();
  }
  json.EndArray().EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleMatrixOffsets(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const DistanceMatrix matrix, RunMatrix(service, request));
  JsonWriter json = BeginResult();
  json.BeginObject().Key("offsets_row").BeginArray();
  for (const auto& entry : matrix.entries) json.Unsigned(entry.row);
  json.EndArray().Key("offsets_col").BeginArray();
  for (const auto& entry : matrix.entries) json.Unsigned(entry.column);
  json.EndArray().Key("scores").BeginArray();
  for (const auto& entry : matrix.entries) json.Float(entry.score);
  json.EndArray().Key("ids").BeginArray();
  for (const PointId& id : matrix.ids) WritePointId(json, id);
  json.EndArray().EndObject();
  return ResultReply(std::move(json));
}

}  // namespace almagest
