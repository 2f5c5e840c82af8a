#include <cstdio>

#include "client/commands/commands.h"
#include "client/commands/text_table.h"

namespace almagest::client {

int RunStatus(const ServerChoice& server) {
  Client client = ConnectTo(server);
  const Json info = client.ServerInfo();
  const bool ready = client.Ready();
  const std::string version = info.value("almagest_version", info.value("version", "?"));
  std::printf("%s: %s, version %s, %s\n", server.url.c_str(), info.value("title", "?").c_str(),
              version.c_str(), ready ? "ready" : "not ready");
  std::vector<std::vector<std::string>> rows = {{"collection", "points", "status"}};
  for (const std::string& name : client.ListCollections()) {
    const Json collection = client.CollectionInfo(name);
    rows.push_back(
        {name, collection.value("points_count", Json()).dump(), collection.value("status", "")});
  }
  if (rows.size() > 1) std::fputs(FormatTable(rows).c_str(), stdout);
  for (const Json& job : client.Jobs().value("jobs", Json::array())) {
    if (JobIsOver(job)) continue;
    std::printf("job %s on %s: %s %.0f %%\n", job.value("id", "").c_str(),
                job.value("collection", "").c_str(), job.value("phase", "").c_str(),
                100 * job.value("fraction", 0.0));
  }
  return ready ? kExitDone : kExitFailed;
}

}  // namespace almagest::client
