#include <cstdio>
#include <fstream>
#include <iostream>
#include <optional>

#include "client/commands/commands.h"
#include "client/commands/query_builder.h"
#include "client/progress_bar.h"
#include "client/vector_files.h"

namespace almagest::client {
namespace {

// Takes the vector out of `point` and returns its values.
std::vector<float> TakeVector(Json& point, const std::string& name) {
  const Json vectors = point.value("vector", Json());
  const Json vector = name.empty()          ? vectors
                      : vectors.is_object() ? vectors.value(name, Json())
                                            : Json();
  if (!vector.is_array()) {
    throw ClientError("point " + point.at("id").dump() + " has no dense vector \"" + name +
                      "\", so the rows of the .npy file would not match");
  }
  if (name.empty() || point["vector"].size() == 1) {
    point.erase("vector");
  } else {
    point["vector"].erase(name);
  }
  return vector.get<std::vector<float>>();
}

}  // namespace

int RunExport(const ServerChoice& server, const ExportOptions& options) {
  Client client = ConnectTo(server);
  const Json filter = options.filter.empty() ? Json() : ParseOption(options.filter, "--filter");
  std::string vector_name;
  if (!options.npy.empty()) {
    vector_name = OnlyOrChosen(FieldsOf(client.CollectionInfo(options.collection)).dense,
                               options.vector_name, "dense", "--vector");
  }
  const uint64_t total = client.Count(options.collection, filter);

  std::ofstream file;
  const bool to_output = options.file == "-";
  if (!to_output) {
    file.open(options.file, std::ios::trunc);
    if (!file) throw ClientError(options.file + ": cannot be written");
  }
  std::ostream& lines = to_output ? std::cout : file;
  std::optional<NpyWriter> npy;

  ProgressBar progress("exporting", total, "points");
  Json request = {{"limit", options.batch}, {"with_payload", true}, {"with_vector", true}};
  if (!filter.is_null()) request["filter"] = filter;
  uint64_t done = 0;
  for (;;) {
    Page page = client.Scroll(options.collection, request);
    for (Json& point : page.points) {
      if (!options.npy.empty()) {
        const std::vector<float> row = TakeVector(point, vector_name);
        if (!npy) npy.emplace(options.npy, static_cast<uint32_t>(row.size()));
        npy->Append(row);
      }
      lines << point.dump() << '\n';
      progress.Set(++done);
    }
    if (page.next_offset.is_null()) break;
    request["offset"] = page.next_offset;
  }
  if (npy) npy->Close();
  lines.flush();
  if (!lines) throw ClientError(options.file + ": could not be written completely");
  progress.Finish();
  return kExitDone;
}

}  // namespace almagest::client
