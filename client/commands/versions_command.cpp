#include <cstdio>
#include <fstream>
#include <sstream>

#include "client/commands/commands.h"
#include "client/commands/query_builder.h"
#include "client/commands/version_table.h"

namespace almagest::client {
namespace {

std::string FieldName(Client& client, const VersionChoice& choice) {
  return OnlyOrChosen(FieldsOf(client.CollectionInfo(choice.collection)).dense, choice.vector_name,
                      "dense", "--vector");
}

}  // namespace

int RunVersions(const ServerChoice& server, const VersionChoice& choice) {
  Client client = ConnectTo(server);
  const Json listed = client.Versions(choice.collection, FieldName(client, choice));
  const Json& versions = listed.at("versions");
  std::printf("version %s is active\n\n", listed.at("active").dump().c_str());
  std::fputs(VersionTable(versions).c_str(), stdout);
  for (const Json& version : versions) {
    const std::string number = version.at("version").dump();
    const std::string matrix = CompatibilityTable(version, number);
    if (matrix.empty()) continue;
    std::printf(
        "\ncompatibility of version %s: nDCG@10 on held-out feedback, queries of the row's "
        "version\nagainst documents of the column's\n%s",
        number.c_str(), matrix.c_str());
  }
  return kExitDone;
}

int RunShowVersion(const ServerChoice& server, const VersionChoice& choice) {
  Client client = ConnectTo(server);
  Json version = client.Version(choice.collection, FieldName(client, choice), choice.version);
  const Json report = version.at("report");
  if (report.is_object()) version["gain"] = report.value("gain", Json());
  std::fputs(VersionTable(Json::array({version})).c_str(), stdout);
  std::fputs(ReportText(report).c_str(), stdout);
  return kExitDone;
}

int RunAddVersion(const ServerChoice& server, const VersionChoice& choice) {
  std::ifstream file(choice.file, std::ios::binary);
  std::ostringstream bytes;
  if (!file || !(bytes << file.rdbuf())) throw ClientError(choice.file + ": cannot be read");
  Client client = ConnectTo(server);
  const uint64_t version =
      client.AddVersion(choice.collection, FieldName(client, choice), bytes.str());
  std::printf("version %llu is a candidate\n", static_cast<unsigned long long>(version));
  return kExitDone;
}

int RunActivate(const ServerChoice& server, const VersionChoice& choice) {
  Client client = ConnectTo(server);
  client.ActivateVersion(choice.collection, FieldName(client, choice), choice.version,
                         choice.force);
  std::printf("version %llu is active\n", static_cast<unsigned long long>(choice.version));
  return kExitDone;
}

int RunRollBack(const ServerChoice& server, const VersionChoice& choice) {
  Client client = ConnectTo(server);
  const uint64_t version = client.RollBack(choice.collection, FieldName(client, choice));
  std::printf("version %llu is active again\n", static_cast<unsigned long long>(version));
  return kExitDone;
}

}  // namespace almagest::client
