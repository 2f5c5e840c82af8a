// Who we are, whether we are well, and the metrics.
#include "http/handlers.h"

namespace almagest {

Result<Reply> HandleRoot(Service& service, const HttpRequest&) {
  JsonWriter json;
  json.BeginObject();
  json.Key("title").String(kTitle);
  json.Key("version").String(kQdrantVersion);
  json.Key("commit").String(service.commit);
  json.Key("almagest_version").String(service.version);
  json.EndObject();
  return TextReply(json.Take(), "application/json");
}

Result<Reply> HandleHealth(Service&, const HttpRequest&) {
  return TextReply("healthz check passed");
}

// The server listens only after its data is open, so it is ready whenever it answers; a collection
// that could not be read is quarantined and named here.
Result<Reply> HandleReady(Service& service, const HttpRequest&) {
  std::string broken;
  for (const std::string& name : service.database.CollectionNames()) {
    const auto collection = service.database.FindCollection(name);
    if (collection || collection.error().code == ErrorCode::kNotFound) continue;
    broken += (broken.empty() ? "" : ", ") + name;
  }
  if (broken.empty()) return TextReply("all shards are ready");
  return TextReply("some collections cannot be read: " + broken, "text/plain", 503);
}

Result<Reply> HandleMetrics(Service& service, const HttpRequest&) {
  return TextReply(service.metrics.Render(service.database, service.version),
                   "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace almagest
