// Writes. Each request is one atomic Collection::Write, whatever number of operations it has.
#include <array>

#include "http/content_type.h"
#include "http/error_response.h"
#include "http/handlers.h"
#include "http/json_reader.h"
#include "http/npy_upsert.h"
#include "http/result_writer.h"
#include "http/text_resolver.h"
#include "http/write_parser.h"

namespace almagest {
namespace {

// Calls with one operation; `parse` takes the body and a TextResolver.
template <class Parse>
Result<Reply> WriteOne(Service& service, const HttpRequest& request, Parse parse) {
  ALMAGEST_TRY(const WriteOptions options, ParseWriteOptions(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(WriteOperation operation,
               ParseWithTexts(service.database.text_models(), service.encoder_threads,
                              [&](TextResolver& texts) { return parse(body, texts); }));
  const std::array<WriteOperation, 1> operations{std::move(operation)};
  ALMAGEST_TRY(const auto results, collection->Write(operations, options.durability));
  JsonWriter json = BeginResult();
  WriteUpdateResult(json, results.front(), options.wait);
  return ResultReply(std::move(json));
}

using TextlessParser = Result<WriteOperation> (*)(const JsonValue&);
Result<Reply> WriteOneWithoutTexts(Service& service, const HttpRequest& request,
                                   TextlessParser parse) {
  return WriteOne(service, request,
                  [parse](const JsonValue& body, TextResolver&) { return parse(body); });
}

// ?first_id= and ?vector= stand in for what JSON says of each point.
Result<Reply> UpsertArray(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const WriteOptions options, ParseWriteOptions(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  if (request.FindQuery("first_id") == nullptr) {
    return Fail(QueryParameterError("first_id", "is missing: the id of the array's first row"));
  }
  ALMAGEST_TRY(const uint64_t first_id, QueryUnsigned(request, "first_id", 0, UINT64_MAX, 0));
  const std::string* vector = request.FindQuery("vector");
  ALMAGEST_TRY(auto operation,
               ParseNpyUpsert(request.body, first_id, vector == nullptr ? "" : *vector));
  const std::array<WriteOperation, 1> operations{std::move(operation)};
  ALMAGEST_TRY(const auto results, collection->Write(operations, options.durability));
  JsonWriter json = BeginResult();
  WriteUpdateResult(json, results.front(), options.wait);
  return ResultReply(std::move(json));
}

}  // namespace

Result<Reply> HandleUpsert(Service& service, const HttpRequest& request) {
  if (HasBytes(request)) return UpsertArray(service, request);
  return WriteOne(service, request, ParseUpsert);
}

Result<Reply> HandleDeletePoints(Service& service, const HttpRequest& request) {
  return WriteOneWithoutTexts(service, request, ParseDeletePoints);
}

Result<Reply> HandleUpdateVectors(Service& service, const HttpRequest& request) {
  return WriteOne(service, request, ParseUpdateVectors);
}

Result<Reply> HandleDeleteVectors(Service& service, const HttpRequest& request) {
  return WriteOneWithoutTexts(service, request, ParseDeleteVectors);
}

Result<Reply> HandleSetPayload(Service& service, const HttpRequest& request) {
  return WriteOneWithoutTexts(service, request, ParseSetPayload);
}

Result<Reply> HandleOverwritePayload(Service& service, const HttpRequest& request) {
  return WriteOneWithoutTexts(service, request, ParseOverwritePayload);
}

Result<Reply> HandleDeletePayload(Service& service, const HttpRequest& request) {
  return WriteOneWithoutTexts(service, request, ParseDeletePayloadKeys);
}

Result<Reply> HandleClearPayload(Service& service, const HttpRequest& request) {
  return WriteOneWithoutTexts(service, request, ParseClearPayload);
}

Result<Reply> HandleBatch(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const WriteOptions options, ParseWriteOptions(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(const auto operations,
               ParseWithTexts(service.database.text_models(), service.encoder_threads,
                              [&](TextResolver& texts) { return ParseBatch(body, texts); }));
  ALMAGEST_TRY(const auto results, collection->Write(operations, options.durability));
  JsonWriter json = BeginResult();
  json.BeginArray();
  for (const WriteResult& result : results) WriteUpdateResult(json, result, options.wait);
  json.EndArray();
  return ResultReply(std::move(json));
}

}  // namespace almagest
