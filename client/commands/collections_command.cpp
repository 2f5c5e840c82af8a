#include <cstdio>

#include "client/commands/commands.h"
#include "client/commands/query_builder.h"
#include "client/commands/text_table.h"

namespace almagest::client {
namespace {

constexpr unsigned kCommandRetries = 8;

}  // namespace

Client ConnectTo(const ServerChoice& server) {
  return Client({.url = server.url, .api_key = server.api_key, .retries = kCommandRetries});
}

int RunCollectionsList(const ServerChoice& server) {
  Client client = ConnectTo(server);
  std::vector<std::vector<std::string>> rows = {{"collection", "points", "status"}};
  for (const std::string& name : client.ListCollections()) {
    const Json info = client.CollectionInfo(name);
    rows.push_back({name, info.value("points_count", Json()).dump(), info.value("status", "")});
  }
  std::fputs(FormatTable(rows).c_str(), stdout);
  return kExitDone;
}

int RunCollectionsCreate(const ServerChoice& server, const CreateOptions& options) {
  Json config;
  if (!options.config.empty()) {
    config = ParseOption(options.config, "--config");
  } else {
    if (options.dimension == 0 && options.sparse_name.empty()) {
      throw ClientError("give --dim N, --sparse NAME or --config JSON");
    }
    if (options.dimension > 0) {
      const Json dense = {{"size", options.dimension}, {"distance", options.distance}};
      config["vectors"] = options.vector_name.empty() ? dense : Json{{options.vector_name, dense}};
    }
    if (!options.sparse_name.empty()) {
      config["sparse_vectors"] = {{options.sparse_name, {{"modifier", "idf"}}}};
    }
  }
  ConnectTo(server).CreateCollection(options.collection, config);
  std::printf("created %s\n", options.collection.c_str());
  return kExitDone;
}

int RunCollectionsShow(const ServerChoice& server, const std::string& collection) {
  std::printf("%s\n", ConnectTo(server).CollectionInfo(collection).dump(2).c_str());
  return kExitDone;
}

int RunCollectionsDrop(const ServerChoice& server, const std::string& collection) {
  if (!ConnectTo(server).DropCollection(collection)) {
    throw ClientError("there is no collection \"" + collection + "\"", 404);
  }
  std::printf("dropped %s\n", collection.c_str());
  return kExitDone;
}

}  // namespace almagest::client
