#include <cstdio>

#include "client/commands/commands.h"
#include "client/commands/job_display.h"
#include "client/commands/version_table.h"

namespace almagest::client {
namespace {

void PrintField(const Json& field) {
  const std::string name = field.value("vector", "");
  std::printf("vector \"%s\": version %s is active\n\n", name.c_str(),
              field.value("active", Json()).dump().c_str());
  const Json versions = field.value("versions", Json::array());
  std::fputs(VersionTable(versions).c_str(), stdout);
  for (const Json& version : versions) {
    const std::string id = version.value("id", Json()).dump();
    const std::string matrix = CompatibilityTable(ReportOf(version), id);
    if (matrix.empty()) continue;
    std::printf("\ncompatibility of version %s (nDCG@10 on held-out feedback)\n%s", id.c_str(),
                matrix.c_str());
  }
}

}  // namespace

int RunVersions(const ServerChoice& server, const std::string& collection) {
  const Json versions = ConnectTo(server).Versions(collection);
  bool first = true;
  for (const Json& field : versions.at("fields")) {
    if (!first) std::printf("\n");
    PrintField(field);
    first = false;
  }
  return kExitDone;
}

int RunActivate(const ServerChoice& server, const std::string& collection, uint64_t version) {
  ConnectTo(server).ActivateVersion(collection, version);
  std::printf("version %llu is active\n", static_cast<unsigned long long>(version));
  return kExitDone;
}

int RunRollBack(const ServerChoice& server, const std::string& collection) {
  const Json result = ConnectTo(server).RollBack(collection);
  std::printf("rolled back: %s\n", result.dump().c_str());
  return kExitDone;
}

}  // namespace almagest::client
