#include "client/client.h"

#include <algorithm>
#include <charconv>
#include <thread>

#include "client/vector_files.h"

namespace almagest::client {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{5'000};
constexpr int kStreamRetriesMax = 5;

std::string CollectionPath(std::string_view collection, std::string_view rest = "") {
  return "/collections/" + EncodePathPart(collection) + std::string(rest);
}

// The dense field that a route is about.
std::string UsingField(std::string_view vector) { return "?using=" + EncodePathPart(vector); }

std::string IdText(const Json& id) {
  return id.is_string() ? EncodePathPart(id.get<std::string>()) : id.dump();
}

int RetryAfterSeconds(const HttpResponse& answer) {
  const auto header = answer.headers.find("retry-after");
  if (header == answer.headers.end()) return 0;
  int seconds = 0;
  for (const char c : header->second) {
    if (c < '0' || c > '9' || seconds > 3600) return 0;  // A date: our own pauses do.
    seconds = seconds * 10 + (c - '0');
  }
  return seconds;
}

[[noreturn]] void ThrowAnswer(const HttpResponse& answer) {
  throw ClientError(ErrorMessage(answer), answer.status, RetryAfterSeconds(answer));
}

Json ParseAnswer(const HttpResponse& answer) {
  if (answer.status >= 400) ThrowAnswer(answer);
  Json document = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    throw ClientError("the server's answer is not JSON; is this an Almagest server?",
                      answer.status);
  }
  if (document.is_object() && document.contains("result")) return std::move(document["result"]);
  return document;
}

Connection MakeConnection(const ClientOptions& options) {
  return Connection({.address = ParseServerUrl(options.url),
                     .api_key = options.api_key,
                     .connect_timeout = options.connect_timeout,
                     .request_timeout = options.request_timeout});
}

// Of the searches of one answer, in their order; empty for those without one.
std::vector<std::string> QueryIds(const HttpResponse& response, size_t count) {
  std::vector<std::string> ids(count);
  const auto header = response.headers.find("almagest-query-id");
  if (header == response.headers.end()) return ids;
  size_t index = 0;
  for (const char c : header->second) {
    if (c == ',') {
      ++index;
    } else if (index < count && c != ' ') {
      ids[index] += c;
    }
  }
  return ids;
}

uint64_t OperationId(const Json& result) { return result.value("operation_id", uint64_t{0}); }

}  // namespace

std::string EncodePathPart(std::string_view part) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : part) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
    if (unreserved) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

std::string ErrorMessage(const HttpResponse& answer) {
  const Json document = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  if (document.is_object() && document.contains("status")) {
    const Json& status = document["status"];
    if (status.is_object() && status.contains("error") && status["error"].is_string()) {
      return status["error"].get<std::string>();
    }
  }
  std::string text = "HTTP " + std::to_string(answer.status);
  if (document.is_discarded() && !answer.body.empty()) {
    text += ": " + answer.body.substr(0, std::min<size_t>(answer.body.find('\n'), 300));
  }
  return text;
}

bool JobIsOver(const Json& job) {
  const std::string state = job.value("state", "");
  return state != "queued" && state != "running";
}

Client::Client(ClientOptions options)
    : options_(std::move(options)), connection_(MakeConnection(options_)) {}

HttpResponse Client::SendWithRetries(std::string_view method, std::string_view target,
                                     const std::string& body, std::string_view content_type) {
  milliseconds pause = kFirstPause;
  for (unsigned attempt = 0;; ++attempt) {
    HttpResponse answer = connection_.Send(method, target, body, content_type);
    if ((answer.status != 429 && answer.status != 503) || attempt >= options_.retries) {
      return answer;
    }
    const milliseconds asked{RetryAfterSeconds(answer) * 1'000};
    std::this_thread::sleep_for(asked.count() > 0 ? asked : pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

Json Client::Call(std::string_view method, std::string_view target, const Json& body) {
  return CallWithText(method, target, body.is_null() ? std::string() : body.dump());
}

Json Client::CallWithText(std::string_view method, std::string_view target, std::string body) {
  return ParseAnswer(SendWithRetries(method, target, body));
}

Json Client::ServerInfo() { return Call("GET", "/"); }

bool Client::Ready() { return connection_.Send("GET", "/readyz").status == 200; }

std::vector<std::string> Client::ListCollections() {
  std::vector<std::string> names;
  const Json result = Call("GET", "/collections");
  for (const Json& entry : result.at("collections")) {
    names.push_back(entry.at("name").get<std::string>());
  }
  return names;
}

Json Client::CollectionInfo(std::string_view collection) {
  return Call("GET", CollectionPath(collection));
}

bool Client::CollectionExists(std::string_view collection) {
  return Call("GET", CollectionPath(collection, "/exists")).at("exists").get<bool>();
}

void Client::CreateCollection(std::string_view collection, const Json& config) {
  Call("PUT", CollectionPath(collection), config);
}

bool Client::DropCollection(std::string_view collection) {
  return Call("DELETE", CollectionPath(collection)).get<bool>();
}

void Client::CreatePayloadIndex(std::string_view collection, std::string_view field,
                                const Json& schema) {
  Call("PUT", CollectionPath(collection, "/index?wait=true"),
       {{"field_name", field}, {"field_schema", schema}});
}

uint64_t Client::Upsert(std::string_view collection, const Json& points) {
  return UpsertText(collection, Json{{"points", points}}.dump());
}

uint64_t Client::UpsertText(std::string_view collection, std::string body) {
  return OperationId(
      CallWithText("PUT", CollectionPath(collection, "/points?wait=true"), std::move(body)));
}

void Client::DeletePoints(std::string_view collection, const Json& selector) {
  Call("POST", CollectionPath(collection, "/points/delete?wait=true"), selector);
}

Json Client::GetPoint(std::string_view collection, const Json& id) {
  return Call("GET", CollectionPath(collection, "/points/" + IdText(id)));
}

Json Client::GetPoints(std::string_view collection, const Json& ids, bool with_vectors) {
  return Call("POST", CollectionPath(collection, "/points"),
              {{"ids", ids}, {"with_payload", true}, {"with_vector", with_vectors}});
}

uint64_t Client::Count(std::string_view collection, const Json& filter) {
  Json request = {{"exact", true}};
  if (!filter.is_null()) request["filter"] = filter;
  return Call("POST", CollectionPath(collection, "/points/count"), request)
      .at("count")
      .get<uint64_t>();
}

Page Client::Scroll(std::string_view collection, const Json& request) {
  Json result = Call("POST", CollectionPath(collection, "/points/scroll"), request);
  Page page;
  page.points = std::move(result.at("points"));
  page.next_offset = result.value("next_page_offset", Json());
  return page;
}

QueryAnswer Client::Query(std::string_view collection, const Json& request) {
  const HttpResponse response =
      SendWithRetries("POST", CollectionPath(collection, "/points/query"), request.dump());
  Json result = ParseAnswer(response);
  return {std::move(result.at("points")), QueryIds(response, 1).front()};
}

std::vector<QueryAnswer> Client::QueryArray(std::string_view collection,
                                            std::span<const float> vectors, uint32_t dimension,
                                            const ArrayQueryOptions& options) {
  if (dimension == 0 || vectors.size() % dimension != 0) {
    throw ClientError("the array has " + std::to_string(vectors.size()) +
                      " values, which are no whole number of vectors of " +
                      std::to_string(dimension));
  }
  std::string target = CollectionPath(collection, "/points/query/batch") +
                       "?limit=" + std::to_string(options.limit) +
                       "&using=" + EncodePathPart(options.using_vector);
  if (options.score_threshold)
    target += "&score_threshold=" + Json(*options.score_threshold).dump();
  if (options.hnsw_ef) target += "&hnsw_ef=" + std::to_string(*options.hnsw_ef);
  if (options.adapter_version) {
    target += "&adapter_version=" + std::to_string(*options.adapter_version);
  }
  if (options.exact) target += "&exact=true";
  if (options.with_payload) target += "&with_payload=true";
  std::string body = NpyHeader(vectors.size() / dimension, dimension);
  body.append(reinterpret_cast<const char*>(vectors.data()), vectors.size_bytes());
  const HttpResponse response = SendWithRetries("POST", target, body, "application/octet-stream");
  Json results = ParseAnswer(response);
  const std::vector<std::string> ids = QueryIds(response, results.size());
  std::vector<QueryAnswer> answers;
  for (size_t i = 0; i < results.size(); ++i) {
    answers.push_back({std::move(results[i].at("points")), ids[i]});
  }
  return answers;
}

Json Client::AddFeedback(std::string_view collection, const Json& events) {
  return Call("POST", CollectionPath(collection, "/feedback"), {{"events", events}});
}

std::string Client::StartAdaptation(std::string_view collection, const Json& request) {
  const Json job = Call("POST", CollectionPath(collection, "/adaptations"), request);
  return job.at("id").get<std::string>();
}

Json Client::Jobs() { return Call("GET", "/jobs"); }

Json Client::Job(std::string_view job_id) { return Call("GET", "/jobs/" + EncodePathPart(job_id)); }

void Client::CancelJob(std::string_view job_id) {
  Call("POST", "/jobs/" + EncodePathPart(job_id) + "/cancel");
}

Json Client::FollowJob(std::string_view job_id, const std::function<bool(const Json&)>& on_event) {
  const std::string target = "/jobs/" + EncodePathPart(job_id) + "/events?from=";
  uint64_t next = 1;  // Event to begin with, so that a new stream goes on where one broke.
  for (int broken = 0;;) {
    SseParser parser;
    bool stopped = false;
    const auto take = [&](const SseEvent& event) {
      if (event.event != "message")
        return true;  // "end" repeats the job, which is asked for below.
      const Json data = Json::parse(event.data, nullptr, /*allow_exceptions=*/false);
      uint64_t number = 0;
      std::from_chars(event.id.data(), event.id.data() + event.id.size(), number);
      next = std::max(next, number + 1);
      if (data.is_object() && !on_event(data)) stopped = true;
      return !stopped;
    };
    try {
      // A connection of its own: the stream may stay open for long, and ends with it.
      Connection stream = MakeConnection(options_);
      const HttpResponse answer =
          stream.Stream(target + std::to_string(next), "text/event-stream",
                        [&](std::string_view bytes) { return parser.Feed(bytes, take); });
      if (answer.status >= 400) ThrowAnswer(answer);
    } catch (const ClientError& error) {
      if (!error.unreachable() || ++broken > kStreamRetriesMax) throw;
      std::this_thread::sleep_for(kFirstPause * broken);
      continue;
    }
    Json job = Job(job_id);
    if (stopped || JobIsOver(job)) return job;
    std::this_thread::sleep_for(kFirstPause);
  }
}

Json Client::Versions(std::string_view collection, std::string_view vector) {
  const std::string path = CollectionPath(collection, "/versions" + UsingField(vector));
  Json all = Call("GET", path);
  while (all.contains("next_offset") && all["next_offset"].is_number()) {
    Json page = Call("GET", path + "&offset=" + all["next_offset"].dump());
    for (Json& version : page.at("versions")) all["versions"].push_back(std::move(version));
    all["next_offset"] = page.value("next_offset", Json());
  }
  all.erase("next_offset");
  return all;
}

Json Client::Version(std::string_view collection, std::string_view vector, uint64_t version) {
  const std::string path = "/versions/" + std::to_string(version) + UsingField(vector);
  return Call("GET", CollectionPath(collection, path));
}

uint64_t Client::AddVersion(std::string_view collection, std::string_view vector,
                            const std::string& adapter) {
  const HttpResponse response =
      SendWithRetries("POST", CollectionPath(collection, "/versions" + UsingField(vector)), adapter,
                      "application/octet-stream");
  return ParseAnswer(response).at("version").get<uint64_t>();
}

void Client::ActivateVersion(std::string_view collection, std::string_view vector, uint64_t version,
                             bool force) {
  Call("POST", CollectionPath(collection, "/versions/" + std::to_string(version) + "/activate" +
                                              UsingField(vector) + (force ? "&force=true" : "")));
}

uint64_t Client::RollBack(std::string_view collection, std::string_view vector) {
  return Call("POST", CollectionPath(collection, "/versions/rollback" + UsingField(vector)))
      .at("active")
      .get<uint64_t>();
}

Json Client::Evaluate(std::string_view collection, const Json& request) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.request_timeout);
  const auto timeout = std::max<int64_t>(seconds.count(), 1);
  return Call("POST", CollectionPath(collection, "/evaluate?timeout=" + std::to_string(timeout)),
              request);
}

ReembeddingState Client::Reembedding(std::string_view collection, std::string_view vector) {
  const Json state = Call("GET", CollectionPath(collection, "/reembedding" + UsingField(vector)));
  return {.target = state.at("target").get<uint64_t>(),
          .rows_done = state.at("rows_done").get<uint64_t>(),
          .rows_total = state.at("rows_total").get<uint64_t>(),
          .eta_seconds = state.value("eta_seconds", 0.0),
          .paused = state.at("paused").get<bool>()};
}

void Client::PauseReembedding(std::string_view collection, std::string_view vector, bool paused) {
  Call("POST", CollectionPath(collection, "/reembedding" + UsingField(vector)),
       {{"paused", paused}});
}

}  // namespace almagest::client
