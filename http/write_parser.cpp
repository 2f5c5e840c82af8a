#include "http/write_parser.h"

#include <fmt/format.h>

#include <array>

#include "engine/payload/payload.h"
#include "http/error_response.h"
#include "http/filter_parser.h"
#include "http/vector_parser.h"

namespace almagest {
namespace {

constexpr std::string_view kOneShard = "collections have one shard";

Result<std::string> ParsePayload(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  auto canonical = CanonicalPayload(value.ToJson());
  if (!canonical) {
    return Fail(canonical.error().code,
                fmt::format("{}: {}", value.path(), canonical.error().message));
  }
  return canonical;
}

// Into a new `point`, where it will stay: there may be thousands of them in a body.
Result<> ParsePoint(const JsonValue& value, TextResolver& texts, PointInput& point) {
  static constexpr std::array<std::string_view, 4> kKeys = {"id", "vectors", "vector", "payload"};
  ALMAGEST_TRY_VOID(value.ExpectObject());
  const auto [id, vectors, vector, payload] = value.FindEach(kKeys);
  if (!id) return Fail(value.MissingField("id"));
  if (uint64_t number = 0; id->get(number) == simdjson::SUCCESS) {
    point.id = number;
  } else {
    ALMAGEST_TRY(point.id, ParsePointId(value.Child(*id, "id")));
  }
  // Qdrant knows `vectors` as another name. A point without vectors says so: `"vector": {}`.
  if (!vectors && !vector) return Fail(value.MissingField("vector"));
  const JsonValue given =
      vectors ? value.Child(*vectors, "vectors") : value.Child(*vector, "vector");
  ALMAGEST_TRY_VOID(ParsePointVectors(given, texts, point.vectors));
  if (payload) {
    ALMAGEST_TRY(point.payload, ParsePayload(value.Child(*payload, "payload")));
  }
  return {};
}

Result<std::vector<PointInput>> ParsePoints(const JsonValue& value, TextResolver& texts) {
  ALMAGEST_TRY(const auto items, value.AsArray());
  std::vector<PointInput> points;
  points.reserve(items.size());
  for (const simdjson::dom::element item : items) {
    const JsonValue point = value.Child(item, points.size());
    ALMAGEST_TRY_VOID(ParsePoint(point, texts, points.emplace_back()));
  }
  return points;
}

Result<> CheckSameLength(const JsonValue& value, size_t length, size_t expected) {
  if (length == expected) return {};
  return Fail(ValueError(value.path(), fmt::format("of {} entries", length),
                         fmt::format("as long as ids, which has {}", expected)));
}

// `vectors` of the columnar form: one list for the unnamed vector, or an object of lists. A null
// entry means that the point has no such vector.
Result<> ParseVectorColumn(const JsonValue& column, const std::string& name, TextResolver& texts,
                           std::vector<PointInput>& points) {
  ALMAGEST_TRY(const auto items, column.Items());
  ALMAGEST_TRY_VOID(CheckSameLength(column, items.size(), points.size()));
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].IsNull()) continue;
    VectorData& vector = points[i].vectors[name];
    ALMAGEST_TRY(vector, ParseVector(items[i], texts, /*is_query=*/false));
  }
  return {};
}

Result<std::vector<PointInput>> ParseColumns(const JsonValue& value, TextResolver& texts) {
  ALMAGEST_TRY(const JsonValue ids_value, value.Require("ids"));
  ALMAGEST_TRY(const auto ids, ParsePointIds(ids_value));
  std::vector<PointInput> points(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) points[i].id = ids[i];
  ALMAGEST_TRY(const JsonValue vectors, value.Require("vectors"));
  if (vectors.IsObject()) {
    ALMAGEST_TRY(const auto columns, vectors.Members());
    for (const auto& [name, column] : columns) {
      ALMAGEST_TRY_VOID(ParseVectorColumn(column, std::string(name), texts, points));
    }
  } else {
    ALMAGEST_TRY_VOID(ParseVectorColumn(vectors, "", texts, points));
  }
  const auto payloads = value.Find("payloads");
  if (!payloads) return points;
  ALMAGEST_TRY(const auto items, payloads->Items());
  ALMAGEST_TRY_VOID(CheckSameLength(*payloads, items.size(), points.size()));
  for (size_t i = 0; i < items.size(); ++i) {
    if (items[i].IsNull()) continue;
    ALMAGEST_TRY(points[i].payload, ParsePayload(items[i]));
  }
  return points;
}

Result<UpdateMode> FindUpdateMode(const JsonValue& body) {
  ALMAGEST_TRY(const auto mode, body.FindString("update_mode"));
  if (!mode || *mode == "upsert") return UpdateMode::kUpsert;
  if (*mode == "insert_only") return UpdateMode::kInsertOnly;
  if (*mode == "update_only") return UpdateMode::kUpdateOnly;
  return Fail(FormatError(body.ChildPath("update_mode"),
                          "expected `upsert`, `insert_only` or `update_only`"));
}

Result<PointSelector> ParseSelector(const JsonValue& body) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseKey("shard_key", kOneShard));
  const auto points = body.Find("points");
  const auto filter = body.Find("filter");
  if (points.has_value() == filter.has_value()) {
    return Fail(FormatError(body.path(), "expected one of `points` and `filter`"));
  }
  if (points) {
    ALMAGEST_TRY(auto ids, ParsePointIds(*points));
    return PointSelector(std::move(ids));
  }
  ALMAGEST_TRY(Filter parsed, ParseFilter(*filter));
  return PointSelector(std::move(parsed));
}

Result<std::string> RequirePayload(const JsonValue& body) {
  ALMAGEST_TRY(const JsonValue payload, body.Require("payload"));
  return ParsePayload(payload);
}

}  // namespace

Result<WriteOperation> ParseUpsert(const JsonValue& body, TextResolver& texts) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseKey("shard_key", kOneShard));
  UpsertOperation upsert;
  const auto points = body.Find("points");
  const auto batch = body.Find("batch");
  if (points.has_value() == batch.has_value()) {
    return Fail(FormatError(body.path(), "expected one of `points` and `batch`"));
  }
  if (points) {
    ALMAGEST_TRY(upsert.points, ParsePoints(*points, texts));
  } else {
    ALMAGEST_TRY(upsert.points, ParseColumns(*batch, texts));
  }
  ALMAGEST_TRY(upsert.mode, FindUpdateMode(body));
  ALMAGEST_TRY(upsert.update_filter, FindFilter(body, "update_filter"));
  return WriteOperation(std::move(upsert));
}

Result<WriteOperation> ParseDeletePoints(const JsonValue& body) {
  ALMAGEST_TRY(PointSelector points, ParseSelector(body));
  return WriteOperation(DeletePointsOperation{std::move(points)});
}

Result<WriteOperation> ParseUpdateVectors(const JsonValue& body, TextResolver& texts) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseKey("shard_key", kOneShard));
  ALMAGEST_TRY(const JsonValue points, body.Require("points"));
  UpdateVectorsOperation update;
  ALMAGEST_TRY(const auto items, points.Items());
  for (const JsonValue& item : items) {
    // As in Qdrant, other fields than the vectors are left alone, a payload too.
    PointInput& point = update.points.emplace_back();
    ALMAGEST_TRY_VOID(ParsePoint(item, texts, point));
    point.payload.reset();
    if (point.vectors.empty()) return Fail(item.MissingField("vector"));
  }
  ALMAGEST_TRY(update.update_filter, FindFilter(body, "update_filter"));
  return WriteOperation(std::move(update));
}

Result<WriteOperation> ParseDeleteVectors(const JsonValue& body) {
  DeleteVectorsOperation operation;
  ALMAGEST_TRY(operation.points, ParseSelector(body));
  ALMAGEST_TRY(const JsonValue names, body.Require("vector"));
  ALMAGEST_TRY(operation.names, names.AsStrings());
  if (operation.names.empty()) {
    return Fail(ValueError(names.path(), "[]", "at least one vector name"));
  }
  return WriteOperation(std::move(operation));
}

Result<WriteOperation> ParseSetPayload(const JsonValue& body) {
  SetPayloadOperation operation;
  ALMAGEST_TRY(operation.points, ParseSelector(body));
  ALMAGEST_TRY(operation.payload, RequirePayload(body));
  ALMAGEST_TRY(const auto key, body.FindString("key"));
  operation.key = key.value_or("");
  return WriteOperation(std::move(operation));
}

Result<WriteOperation> ParseOverwritePayload(const JsonValue& body) {
  OverwritePayloadOperation operation;
  ALMAGEST_TRY(operation.points, ParseSelector(body));
  ALMAGEST_TRY(operation.payload, RequirePayload(body));
  ALMAGEST_TRY_VOID(body.RefuseKey("key", "replacing the payload takes no path"));
  return WriteOperation(std::move(operation));
}

Result<WriteOperation> ParseDeletePayloadKeys(const JsonValue& body) {
  DeletePayloadKeysOperation operation;
  ALMAGEST_TRY(operation.points, ParseSelector(body));
  ALMAGEST_TRY(const JsonValue keys, body.Require("keys"));
  ALMAGEST_TRY(operation.keys, keys.AsStrings());
  return WriteOperation(std::move(operation));
}

Result<WriteOperation> ParseClearPayload(const JsonValue& body) {
  ALMAGEST_TRY(PointSelector points, ParseSelector(body));
  return WriteOperation(ClearPayloadOperation{std::move(points)});
}

Result<std::vector<WriteOperation>> ParseBatch(const JsonValue& body, TextResolver& texts) {
  ALMAGEST_TRY(const JsonValue operations, body.Require("operations"));
  ALMAGEST_TRY(const auto items, operations.Items());
  std::vector<WriteOperation> parsed;
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(const auto members, item.Members());
    if (members.size() != 1) {
      return Fail(FormatError(item.path(), "expected an object with the name of one operation"));
    }
    const auto& [name, value] = members.front();
    Result<WriteOperation> operation =
        Fail(FormatError(item.path(),
                         "expected one of `upsert`, `delete`, `set_payload`, `overwrite_payload`, "
                         "`delete_payload`, `clear_payload`, `update_vectors`, `delete_vectors`"));
    if (name == "upsert") operation = ParseUpsert(value, texts);
    if (name == "delete") operation = ParseDeletePoints(value);
    if (name == "set_payload") operation = ParseSetPayload(value);
    if (name == "overwrite_payload") operation = ParseOverwritePayload(value);
    if (name == "delete_payload") operation = ParseDeletePayloadKeys(value);
    if (name == "clear_payload") operation = ParseClearPayload(value);
    if (name == "update_vectors") operation = ParseUpdateVectors(value, texts);
    if (name == "delete_vectors") operation = ParseDeleteVectors(value);
    if (!operation) return Fail(operation.error());
    parsed.push_back(*std::move(operation));
  }
  return parsed;
}

}  // namespace almagest
