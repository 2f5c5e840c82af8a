// What the server has and does, in Qdrant's words: telemetry, and issues that a person should see
// to.
#include <fmt/format.h>
#include <sys/sysinfo.h>

#include <mutex>
#include <set>
#include <thread>

#include "http/collection_parser.h"
#include "http/error_response.h"
#include "http/handlers.h"
#include "storage/base/checksum.h"

namespace almagest {
namespace {

// Since 1970, as RFC 3339.
std::string TimeText(std::time_t time) {
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

const std::string& StartText() {
  static const std::string text = TimeText(std::time(nullptr));
  return text;
}
[[maybe_unused]] const std::string& g_started = StartText();

Result<bool> Flag(const HttpRequest& request, std::string_view name) {
  const std::string* value = request.FindQuery(name);
  if (value == nullptr) return false;
  if (*value != "true" && *value != "false") {
    return Fail(QueryParameterError(name, "must be true or false"));
  }
  return *value == "true";
}

// A name that tells nothing, the same every time.
std::string Anonymous(const std::string& name) {
  return fmt::format("{:016x}", Checksum(name.data(), name.size()));
}

void WriteApp(JsonWriter& json, const Service& service, uint64_t level) {
  json.Key("app").BeginObject();
  json.Key("name").String("almagest");
  json.Key("version").String(kQdrantVersion);
  json.Key("almagest_version").String(service.version);
  json.Key("startup").String(StartText());
  if (level >= 1) {
    struct sysinfo info {};
    const bool known = sysinfo(&info) == 0;
    json.Key("system").BeginObject();
    json.Key("cores").Unsigned(std::max(1u, std::thread::hardware_concurrency()));
    if (known) json.Key("ram_size").Unsigned(uint64_t{info.totalram} * info.mem_unit / 1024);
    json.Key("is_docker").Bool(false);
    json.Key("cpu_flags").String("");
    json.EndObject();
  }
  json.EndObject();
}

// At level 1 a summary, without the name; from 2 on the settings; none of them anonymously, since
// they have names in them. The vectors are those that there can be.
void WriteCollection(JsonWriter& json, const std::string& name, const Collection& collection,
                     uint64_t level, bool anonymize) {
  const CollectionInfo info = collection.Info();
  const CollectionConfig config = collection.config();
  json.BeginObject();
  if (level == 1 && !anonymize) {
    json.Key("vectors").Unsigned(info.points * (config.dense.size() + config.sparse.size()));
    json.Key("optimizers_status").String("ok");
    json.Key("params");
    WriteCollectionParams(json, config);
  } else {
    json.Key("id").String(anonymize ? Anonymous(name) : name);
    if (!anonymize) {
      json.Key("config");
      WriteCollectionSettings(json, config);
    }
    json.Key("points").Unsigned(info.points);
    json.Key("indexed_vectors").Unsigned(info.indexed_vectors);
    json.Key("segments").Unsigned(info.segments.size());
    json.Key("optimizers_status").String(info.optimizing ? "optimizing" : "ok");
  }
  json.EndObject();
}

void WriteCollections(JsonWriter& json, Service& service, uint64_t level, bool anonymize) {
  uint64_t count = 0;
  JsonWriter list;
  list.BeginArray();
  for (const std::string& name : service.database.CollectionNames()) {
    if (!MayRead(service, name)) continue;
    ++count;
    if (level == 0) continue;
    const auto collection = service.database.FindCollection(name);
    if (!collection) continue;
    WriteCollection(list, name, **collection, level, anonymize);
  }
  list.EndArray();
  json.Key("collections").BeginObject();
  json.Key("number_of_collections").Unsigned(count);
  if (level >= 1) json.Key("collections").Raw(list.text());
  json.EndObject();
}

void WriteRequests(JsonWriter& json, const Metrics& metrics) {
  std::map<std::string, std::map<unsigned, Metrics::RequestCount>> counts;
  for (const Metrics::RequestCount& entry : metrics.Requests()) {
    if (entry.method.empty()) continue;  // Refused before a route was known.
    counts[entry.method + " " + entry.route][entry.status] = entry;
  }
  json.Key("requests").BeginObject().Key("rest").BeginObject().Key("responses").BeginObject();
  for (const auto& [route, by_status] : counts) {
    json.Key(route).BeginObject();
    for (const auto& [status, entry] : by_status) {
      json.Key(std::to_string(status)).BeginObject().Key("count").Unsigned(entry.count);
      json.Key("avg_duration_micros").Double(entry.mean_seconds * 1e6);
      json.EndObject();
    }
    json.EndObject();
  }
  json.EndObject().EndObject();
  json.Key("grpc").BeginObject().Key("responses").BeginObject().EndObject().EndObject();
  json.EndObject();
}

// What was cleared is not shown again, until the server starts anew.
class ClearedIssues {
 public:
  bool Contains(const std::string& id) {
    const std::lock_guard lock(mutex_);
    return ids_.contains(id);
  }
  void Add(const std::string& id) {
    const std::lock_guard lock(mutex_);
    ids_.insert(id);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> ids_;
};
ClearedIssues& Cleared() {
  static ClearedIssues cleared;
  return cleared;
}

// Collections that could not be read: visit(id, name, why).
template <class Visit>
void ForEachIssue(Service& service, const Visit& visit) {
  for (const std::string& name : service.database.CollectionNames()) {
    if (!MayRead(service, name)) continue;
    const auto collection = service.database.FindCollection(name);
    if (collection || collection.error().code != ErrorCode::kUnavailable) continue;
    const std::string id = "QUARANTINED/" + name;
    if (!Cleared().Contains(id)) visit(id, name, collection.error().message);
  }
}

}  // namespace

Result<Reply> HandleTelemetry(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const bool anonymize, Flag(request, "anonymize"));
  ALMAGEST_TRY(const bool per_collection, Flag(request, "per_collection"));
  ALMAGEST_TRY(uint64_t level, QueryUnsigned(request, "details_level", 0, UINT64_MAX, 0));
  ALMAGEST_TRY_VOID(ReadDeadline(request));
  if (per_collection) level = std::max(level, uint64_t{1});
  JsonWriter json = BeginResult();
  json.BeginObject();
  json.Key("id").String(Anonymous(StartText()));
  WriteApp(json, service, level);
  WriteCollections(json, service, level, anonymize);
  json.Key("cluster").BeginObject().Key("enabled").Bool(false).EndObject();
  WriteRequests(json, service.metrics);
  json.EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleIssues(Service& service, const HttpRequest&) {
  JsonWriter json = BeginResult();
  json.BeginObject().Key("issues").BeginArray();
  ForEachIssue(
      service, [&](const std::string& id, const std::string& name, const std::string& why) {
        json.BeginObject();
        json.Key("id").String(id);
        json.Key("related_collection").String(name);
        json.Key("description").String(why);
        json.Key("solution").String("Recover the collection from a snapshot, or delete it.");
        json.EndObject();
      });
  json.EndArray().EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleClearIssues(Service& service, const HttpRequest&) {
  ForEachIssue(service, [](const std::string& id, const auto&, const auto&) { Cleared().Add(id); });
  return BoolReply(true);
}

}  // namespace almagest
