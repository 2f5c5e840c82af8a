// What there is to say of a cluster of one node: each collection is one shard, and it is here.
#include "http/error_response.h"
#include "http/handlers.h"

namespace almagest {

Result<Reply> HandleClusterStatus(Service&, const HttpRequest&) {
  JsonWriter json = BeginResult();
  json.BeginObject().Key("status").String("disabled").EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleCollectionCluster(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  JsonWriter json = BeginResult();
  json.BeginObject();
  json.Key("peer_id").Unsigned(0).Key("shard_count").Unsigned(1);
  json.Key("local_shards").BeginArray().BeginObject();
  json.Key("shard_id").Unsigned(0).Key("points_count").Unsigned(collection->point_count());
  json.Key("state").String("Active");
  json.EndObject().EndArray();
  json.Key("remote_shards").BeginArray().EndArray();
  json.Key("shard_transfers").BeginArray().EndArray();
  json.EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleShardKeys(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY_VOID(PathCollection(service, request));
  JsonWriter json = BeginResult();
  json.BeginObject().Key("shard_keys").Null().EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleChangeCluster(Service&, const HttpRequest&) {
  HttpResponse refusal = ErrorResponse(
      405, "Bad request: this server is a single node (standalone mode): there is no cluster", 0);
  return TextReply(std::move(refusal.body), "application/json", refusal.status);
}

}  // namespace almagest
