// What handlers share, and the small things that most of them do first: find the collection, read
// the query parameters, begin the result.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/database.h"
#include "http/http_message.h"
#include "http/json_writer.h"
#include "http/metrics.h"
#include "http/router.h"
#include "http/snapshot_download.h"
#include "http/worker_pool.h"

namespace almagest {

class SearchPace;  // search_pace.h

// Reported at `GET /`. Qdrant's clients compare `version` with their own and only warn.
inline constexpr const char* kQdrantVersion = "1.19.0";
inline constexpr const char* kTitle = "almagest - vector search engine that learns";

// One for the server; a copy for every request, with the caller's rights.
struct Service {
  Database& database;
  Metrics& metrics;
  std::string version;  // Ours.
  std::string commit;   // 40 hexadecimal digits, or empty when built outside a repository.
  int encoder_threads = 2;
  WorkerPool* background = nullptr;  // For what a caller does not wait for.
  SnapshotSources snapshot_sources = {};
  const AccessRights* access = nullptr;  // nullptr: everything.
  SearchPace* pace = nullptr;            // nullptr: nothing is answered at once.
};

bool MayRead(const Service& service, const std::string& collection);

// A collection that a body names; kForbidden if the caller may not read it.
Result<std::shared_ptr<Collection>> ReadableCollection(Service& service, const std::string& name);
// The collection that the path names; kNotFound as the database says it.
Result<std::shared_ptr<Collection>> PathCollection(Service& service, const HttpRequest& request);

// Reads end after ?timeout= seconds (default 60) with 408. ?consistency= is checked and holds
// trivially on a single node.
inline constexpr int kReadTimeoutSeconds = 60;
Result<Deadline> ReadDeadline(const HttpRequest& request,
                              int default_seconds = kReadTimeoutSeconds);

struct WriteOptions {
  bool wait = false;
  std::optional<Durability> durability;  // ?durability=sync|process; the collection's if absent.
};
// ?wait=, ?ordering=, ?timeout= and ?durability=. Every write is applied in order and before it is
// answered, which is the strongest that the first three can ask for.
Result<WriteOptions> ParseWriteOptions(const HttpRequest& request);

// A query parameter as a whole number in lowest..highest; `otherwise` when absent.
Result<uint64_t> QueryUnsigned(const HttpRequest& request, std::string_view name, uint64_t lowest,
                               uint64_t highest, uint64_t otherwise);

// One that is true or false; false when absent.
Result<bool> QueryBool(const HttpRequest& request, std::string_view name);

// A writer behind `{"result":`. End with ResultReply.
JsonWriter BeginResult();
Reply ResultReply(JsonWriter json, unsigned status = 200);
Reply BoolReply(bool value);
Reply TextReply(std::string text, std::string content_type = "text/plain", unsigned status = 200);

}  // namespace almagest
