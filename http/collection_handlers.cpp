// Collections and their payload indexes.
#include "http/collection_parser.h"
#include "http/error_response.h"
#include "http/handlers.h"
#include "http/json_reader.h"
#include "http/result_writer.h"

namespace almagest {
namespace {

Reply UpdateReply(const WriteResult& result, bool wait) {
  JsonWriter json = BeginResult();
  WriteUpdateResult(json, result, wait);
  return ResultReply(std::move(json));
}

}  // namespace

Result<Reply> HandleListCollections(Service& service, const HttpRequest&) {
  JsonWriter json = BeginResult();
  json.BeginObject().Key("collections").BeginArray();
  for (const std::string& name : service.database.CollectionNames()) {
    if (!MayRead(service, name)) continue;
    json.BeginObject().Key("name").String(name).EndObject();
  }
  json.EndArray().EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleGetCollection(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  JsonWriter json = BeginResult();
  WriteCollectionInfo(json, collection->config(), collection->Info());
  return ResultReply(std::move(json));
}

Result<Reply> HandleCreateCollection(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY_VOID(ParseWriteOptions(request));
  const std::string& name = request.PathParam("collection");
  ALMAGEST_TRY_VOID(ValidateCollectionName(name));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body.empty() ? "{}" : request.body));
  ALMAGEST_TRY(const CollectionConfig config, ParseCreateCollection(body));
  ALMAGEST_TRY_VOID(service.database.CreateCollection(name, config));
  return BoolReply(true);
}

Result<Reply> HandleUpdateCollection(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY_VOID(ParseWriteOptions(request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY_VOID(service.database.UpdateCollection(
      request.PathParam("collection"),
      [&body](CollectionConfig& config) { return ApplyCollectionChanges(body, config); }));
  return BoolReply(true);
}

Result<Reply> HandleDeleteCollection(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY_VOID(ParseWriteOptions(request));
  ALMAGEST_TRY(const bool existed,
               service.database.DropCollection(request.PathParam("collection")));
  return BoolReply(existed);
}

Result<Reply> HandleCollectionExists(Service& service, const HttpRequest& request) {
  const auto collection = PathCollection(service, request);
  // A quarantined collection exists too.
  const bool exists = collection || collection.error().code == ErrorCode::kUnavailable;
  if (!exists && collection.error().code != ErrorCode::kNotFound) return Fail(collection.error());
  JsonWriter json = BeginResult();
  json.BeginObject().Key("exists").Bool(exists).EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleCreateVector(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const WriteOptions options, ParseWriteOptions(request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const auto added,
               ParseNewVector(body, request.PathParam("vector"), collection->config()));
  ALMAGEST_TRY(const WriteResult result,
               service.database.AddVector(request.PathParam("collection"),
                                          request.PathParam("vector"), added));
  return UpdateReply(result, options.wait);
}

Result<Reply> HandleDeleteVector(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const WriteOptions options, ParseWriteOptions(request));
  ALMAGEST_TRY(
      const WriteResult result,
      service.database.RemoveVector(request.PathParam("collection"), request.PathParam("vector")));
  return UpdateReply(result, options.wait);
}

Result<Reply> HandleCreateIndex(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const WriteOptions options, ParseWriteOptions(request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(const JsonValue field, body.Require("field_name"));
  ALMAGEST_TRY(const std::string_view key, field.AsString());
  const bool by_older_name = !body.Find("field_schema") && body.Find("field_type");
  ALMAGEST_TRY(const JsonValue schema, body.Require(by_older_name ? "field_type" : "field_schema"));
  ALMAGEST_TRY(const PayloadIndexConfig config, ParsePayloadIndexSchema(schema));
  ALMAGEST_TRY(const WriteResult result,
               service.database.CreatePayloadIndex(request.PathParam("collection"),
                                                   std::string(key), config));
  return UpdateReply(result, options.wait);
}

Result<Reply> HandleDropIndex(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const WriteOptions options, ParseWriteOptions(request));
  ALMAGEST_TRY(const WriteResult result,
               service.database.DropPayloadIndex(request.PathParam("collection"),
                                                 request.PathParam("field")));
  return UpdateReply(result, options.wait);
}

}  // namespace almagest
