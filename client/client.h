// A client of Almagest's REST API: blocking, plain JSON values in and out.
//
//   almagest::client::Client client({.url = "http://127.0.0.1:7333"});
//   client.CreateCollection("shop", {{"vectors", {{"size", 512}, {"distance", "Cosine"}}}});
//   client.Upsert("shop", {{{"id", 1}, {"vector", vector}, {"payload", {{"name", "tea"}}}}});
//   auto answer = client.Query("shop", {{"query", vector}, {"limit", 10}});
//
// Every call sends one request and returns the `result` of the server's answer. What goes wrong is
// thrown as ClientError with the HTTP status and the server's own sentence. The library knows only
// the REST API (docs/openapi.yaml) and shares no code with the server.
//
// Not thread-safe: one Client (one connection) per thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/client_error.h"
#include "client/connection.h"
#include "client/sse_parser.h"

namespace almagest::client {

using Json = nlohmann::json;

struct ClientOptions {
  std::string url = "http://127.0.0.1:7333";
  std::string api_key = {};  // Empty: none is sent.
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds request_timeout{120'000};
  // How often a request answered with 429 or 503 is sent again, after the time the server asks for
  // (Retry-After) or a doubling pause from 100 ms to 5 s. 0: never.
  unsigned retries = 0;
};

struct QueryAnswer {
  Json points;           // Array of {id, version, score, payload?, vector?}, best first.
  std::string query_id;  // Names this search in feedback; empty if the server gave none.
};

// What all queries of Client::QueryArray share; docs/openapi.yaml has the meanings.
struct ArrayQueryOptions {
  std::string using_vector = {};  // Empty: the unnamed vector.
  uint64_t limit = 10;
  std::optional<double> score_threshold = {};
  std::optional<uint32_t> hnsw_ef = {};
  std::optional<uint32_t> adapter_version = {};  // Not given: the active one.
  bool exact = false;
  bool with_payload = false;
};

struct Page {
  Json points;       // Array of points.
  Json next_offset;  // null: this was the last page.
};

// How far the background re-embedding of a dense field has come.
struct ReembeddingState {
  uint64_t target = 0;  // The active version, by which documents are being rewritten.
  uint64_t rows_done = 0;
  uint64_t rows_total = 0;
  double eta_seconds = 0;  // 0: done or unknown.
  bool paused = false;
};

class Client {
 public:
  explicit Client(ClientOptions options);

  // ---- Any route ------------------------------------------------------------------------------
  // Sends `body` (nothing when null) and returns `result`, or the whole JSON document where the
  // route has no envelope.
  Json Call(std::string_view method, std::string_view target, const Json& body = nullptr);
  // The same with a body that is JSON text already.
  Json CallWithText(std::string_view method, std::string_view target, std::string body);

  // ---- Server ---------------------------------------------------------------------------------
  Json ServerInfo();  // {title, version, commit}
  bool Ready();       // GET /readyz answered 200. Throws only when nobody answers.

  // ---- Collections ----------------------------------------------------------------------------
  std::vector<std::string> ListCollections();
  Json CollectionInfo(std::string_view collection);
  bool CollectionExists(std::string_view collection);
  void CreateCollection(std::string_view collection, const Json& config);
  // False when there was none.
  bool DropCollection(std::string_view collection);
  // `schema`: "keyword", "integer", "float", "bool", "datetime", "uuid" or a parameter object.
  void CreatePayloadIndex(std::string_view collection, std::string_view field, const Json& schema);

  // ---- Points ---------------------------------------------------------------------------------
  // Whole batch or nothing. Returns the operation's number once it is durable and searchable.
  uint64_t Upsert(std::string_view collection, const Json& points);
  // `body` is the text of {"points": [...]}: what import uses, without building a JSON tree.
  uint64_t UpsertText(std::string_view collection, std::string body);
  void DeletePoints(std::string_view collection, const Json& selector);
  // One point with payload and vectors. Throws with status 404 when there is none.
  Json GetPoint(std::string_view collection, const Json& id);
  // `ids` that do not exist are left out.
  Json GetPoints(std::string_view collection, const Json& ids, bool with_vectors);
  uint64_t Count(std::string_view collection, const Json& filter = nullptr);
  // `request` as in the API: limit, filter, with_payload, with_vector, offset.
  Page Scroll(std::string_view collection, const Json& request);

  // ---- Search ---------------------------------------------------------------------------------
  QueryAnswer Query(std::string_view collection, const Json& request);
  // Nearest searches of many dense vectors, `dimension` values each, in one request that carries
  // their floats as they are: the fastest way to ask much. At most 4,096 of them.
  std::vector<QueryAnswer> QueryArray(std::string_view collection, std::span<const float> vectors,
                                      uint32_t dimension, const ArrayQueryOptions& options = {});

  // ---- Learning -------------------------------------------------------------------------------
  // `events`: array of feedback events, at most 10,000 a call; all or none are stored.
  Json AddFeedback(std::string_view collection, const Json& events);
  // Returns the job's id.
  std::string StartAdaptation(std::string_view collection, const Json& request);
  Json Jobs();
  Json Job(std::string_view job_id);
  void CancelJob(std::string_view job_id);
  // Follows a job's events from the first to the last; `on_event` gets each one's JSON object and
  // returns false to stop. Reconnects where the stream breaks. Returns when the job is over (or
  // stopped following) with the job as it is then.
  Json FollowJob(std::string_view job_id, const std::function<bool(const Json&)>& on_event);
  // All versions of a dense field: {"active", "total", "versions": [...]}, newest first; from as many
  // pages as it takes.
  Json Versions(std::string_view collection, std::string_view vector);
  // One of them with its whole report and the texts of the queries that it changed most.
  Json Version(std::string_view collection, std::string_view vector, uint64_t version);
  // Adds a version that was trained elsewhere, as a candidate; returns its number. `adapter`: the
  // bytes of an adapter file (docs/job-folder.md).
  uint64_t AddVersion(std::string_view collection, std::string_view vector,
                      const std::string& adapter);
  // `force`: even if the gate rejected it.
  void ActivateVersion(std::string_view collection, std::string_view vector, uint64_t version,
                       bool force = false);
  // Back to the version that was active before; returns its number.
  uint64_t RollBack(std::string_view collection, std::string_view vector);
  Json Evaluate(std::string_view collection, const Json& request);
  ReembeddingState Reembedding(std::string_view collection, std::string_view vector);
  // Stops and resumes the background re-embedding of a collection.
  void PauseReembedding(std::string_view collection, std::string_view vector, bool paused);

 private:
  HttpResponse SendWithRetries(std::string_view method, std::string_view target,
                               const std::string& body,
                               std::string_view content_type = "application/json");

  ClientOptions options_;
  Connection connection_;
};

// Percent-encodes everything but unreserved characters (RFC 3986), '/' too.
std::string EncodePathPart(std::string_view part);
// The server's sentence in an error answer, whatever its shape; else "HTTP 500" and the like.
std::string ErrorMessage(const HttpResponse& answer);
// False for the states in which a job still waits or runs.
bool JobIsOver(const Json& job);

}  // namespace almagest::client
