// Adaptation jobs: start, watch, cancel.
#include <chrono>
#include <memory>

#include "engine/learning/feedback_codec.h"
#include "http/adaptation_parser.h"
#include "http/error_response.h"
#include "http/handlers.h"
#include "http/json_reader.h"

namespace almagest {
namespace {

constexpr std::chrono::seconds kKeepAliveInterval{15};

void WriteTime(JsonWriter& json, std::string_view key, int64_t time_ms) {
  if (time_ms > 0) json.Key(key).Integer(time_ms);
}

// One job's progress as server-sent events. The database outlives every response stream, because
// the server stops first.
class EventStream {
 public:
  EventStream(Learning& learning, std::string job_id, uint64_t first)
      : learning_(learning), job_id_(std::move(job_id)), next_(first) {}

  std::optional<std::string> NextPiece() {
    if (ended_) return std::nullopt;
    // Asked before the events are read, so that the last ones are not missed.
    const auto job = learning_.FindJob(job_id_);
    const bool over = !job || IsFinal(job->state);
    const auto events = learning_.JobEvents(job_id_, next_, std::chrono::milliseconds(0));
    if (!events) {
      ended_ = true;
      return std::nullopt;
    }
    std::string piece;
    for (const JobEvent& event : *events) {
      piece += "id: " + std::to_string(event.number) + "\ndata: " + event.data_json + "\n\n";
      next_ = event.number + 1;
    }
    if (events->empty() && over) {
      ended_ = true;
      JsonWriter json;
      if (job) WriteJob(json, *job);
      return "event: end\ndata: " + (job ? json.Take() : std::string("{}")) + "\n\n";
    }
    const auto now = std::chrono::steady_clock::now();
    if (piece.empty() && now - last_sent_ >= kKeepAliveInterval) piece = ": keep-alive\n\n";
    if (!piece.empty()) last_sent_ = now;
    return piece;
  }

 private:
  Learning& learning_;
  std::string job_id_;
  uint64_t next_;
  bool ended_ = false;
  std::chrono::steady_clock::time_point last_sent_ = std::chrono::steady_clock::now();
};

Reply JobReply(const Job& job, unsigned status) {
  JsonWriter json = BeginResult();
  WriteJob(json, job);
  return ResultReply(std::move(json), status);
}

}  // namespace

void WriteJob(JsonWriter& json, const Job& job, JobDetail detail) {
  json.BeginObject();
  json.Key("id").String(job.id);
  json.Key("collection").String(job.collection);
  json.Key("using").String(job.vector_name);
  json.Key("objective").String(job.request.objective);
  json.Key("options").Raw(job.request.options_json.empty() ? "{}" : job.request.options_json);
  json.Key("seed").Unsigned(job.request.seed);
  json.Key("activate").Bool(job.request.activate);
  if (job.request.feedback != FeedbackFilter()) {
    json.Key("feedback").Raw(EncodeFilter(job.request.feedback));
  }
  json.Key("state").String(JobStateName(job.state));
  json.Key("phase").String(job.phase);
  json.Key("fraction").Double(job.fraction);
  json.Key("eta_seconds").Double(job.eta_seconds);
  json.Key("feedback_events").Unsigned(job.feedback_events);
  if (!job.reason.empty()) json.Key("reason").String(job.reason);
  if (job.version) json.Key("version").Unsigned(*job.version);
  WriteTime(json, "created_at_ms", job.created_at_ms);
  WriteTime(json, "started_at_ms", job.started_at_ms);
  WriteTime(json, "ended_at_ms", job.ended_at_ms);
  if (detail == JobDetail::kReport && !job.report_json.empty())
    json.Key("report").Raw(job.report_json);
  json.EndObject();
}

Result<Reply> HandleStartAdaptation(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body.empty() ? "{}" : request.body));
  ALMAGEST_TRY(const AdaptationRequest adaptation,
               ParseWithTexts(service.database.text_models(), service.encoder_threads,
                              [&](TextResolver& texts) { return ParseAdaptation(body, texts); }));
  Learning& learning = service.database.learning();
  ALMAGEST_TRY(const std::string id, learning.StartAdaptation(collection->name(), adaptation));
  ALMAGEST_TRY(const Job job, learning.FindJob(id));
  Reply reply = JobReply(job, 202);
  reply.headers.emplace_back("Location", "/jobs/" + id);
  return reply;
}

Result<Reply> HandleListJobs(Service& service, const HttpRequest& request) {
  const std::string* collection = request.FindQuery("collection");
  JsonWriter json = BeginResult();
  json.BeginObject().Key("jobs").BeginArray();
  for (const Job& job : service.database.learning().Jobs()) {
    if (collection == nullptr || job.collection == *collection)
      WriteJob(json, job, JobDetail::kSummary);
  }
  json.EndArray().EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleGetJob(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const Job job, service.database.learning().FindJob(request.PathParam("job")));
  return JobReply(job, 200);
}

Result<Reply> HandleCancelJob(Service& service, const HttpRequest& request) {
  Learning& learning = service.database.learning();
  const std::string& id = request.PathParam("job");
  ALMAGEST_TRY_VOID(learning.CancelJob(id));
  ALMAGEST_TRY(const Job job, learning.FindJob(id));
  return JobReply(job, 200);
}

Result<Reply> HandleJobEvents(Service& service, const HttpRequest& request) {
  Learning& learning = service.database.learning();
  const std::string& id = request.PathParam("job");
  ALMAGEST_TRY_VOID(learning.FindJob(id));
  // A client that lost its connection names the last event it saw.
  ALMAGEST_TRY(uint64_t first, QueryUnsigned(request, "from", 1, UINT64_MAX, 1));
  if (const std::string* last = request.FindHeader("last-event-id")) {
    HttpRequest as_query;
    as_query.query_params.emplace_back("Last-Event-ID", *last);
    ALMAGEST_TRY(const uint64_t seen,
                 QueryUnsigned(as_query, "Last-Event-ID", 0, UINT64_MAX - 1, 0));
    first = seen + 1;
  }
  Reply reply;
  reply.enveloped = false;
  reply.content_type = "text/event-stream";
  const auto stream = std::make_shared<EventStream>(learning, id, first);
  reply.chunks = [stream] { return stream->NextPiece(); };
  return reply;
}

}  // namespace almagest
