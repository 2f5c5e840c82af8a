// Feedback: what users did with results.
#include "http/error_response.h"
#include "http/feedback_parser.h"
#include "http/handlers.h"
#include "http/json_reader.h"
#include "http/text_resolver.h"

namespace almagest {

Result<Reply> HandleAddFeedback(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const WriteOptions options, ParseWriteOptions(request));
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(auto inputs,
               ParseWithTexts(service.database.text_models(), service.encoder_threads,
                              [&](TextResolver& texts) { return ParseFeedback(body, texts); }));
  ALMAGEST_TRY(const auto ids, service.database.learning().AddFeedback(
                                   *collection, std::move(inputs), options.durability));
  JsonWriter json = BeginResult();
  json.BeginObject().Key("ids").BeginArray();
  for (const uint64_t id : ids) json.Unsigned(id);
  json.EndArray().EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleListFeedback(Service& service, const HttpRequest& request) {
  constexpr uint64_t kPageMax = 10'000;
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const FeedbackFilter filter, ParseFeedbackQuery(request));
  ALMAGEST_TRY(const uint64_t offset, QueryUnsigned(request, "offset", 0, UINT64_MAX, 0));
  ALMAGEST_TRY(const uint64_t limit, QueryUnsigned(request, "limit", 1, kPageMax, 100));
  const std::string* with_vector = request.FindQuery("with_vector");
  if (with_vector != nullptr && *with_vector != "true" && *with_vector != "false") {
    return Fail(QueryParameterError("with_vector", "must be true or false"));
  }
  Learning& learning = service.database.learning();
  ALMAGEST_TRY(const FeedbackPage page, learning.ListFeedback(*collection, filter, offset, limit));
  ALMAGEST_TRY(const uint64_t total, learning.CountFeedback(*collection));
  JsonWriter json = BeginResult();
  json.BeginObject().Key("events").BeginArray();
  for (const FeedbackEvent& event : page.events) {
    WriteFeedbackEvent(json, event, with_vector != nullptr && *with_vector == "true");
  }
  json.EndArray().Key("next_offset");
  if (page.next_id) {
    json.Unsigned(*page.next_id);
  } else {
    json.Null();
  }
  json.Key("total").Unsigned(total).EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleDeleteFeedback(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY(const FeedbackFilter filter, ParseFeedbackFilter(body));
  ALMAGEST_TRY(const uint64_t deleted,
               service.database.learning().DeleteFeedback(*collection, filter));
  JsonWriter json = BeginResult();
  json.BeginObject().Key("deleted").Unsigned(deleted).EndObject();
  return ResultReply(std::move(json));
}

}  // namespace almagest
