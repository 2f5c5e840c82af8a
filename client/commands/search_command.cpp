#include <algorithm>
#include <cstdio>

#include "client/commands/commands.h"
#include "client/commands/query_builder.h"
#include "client/commands/text_table.h"

namespace almagest::client {
namespace {

constexpr uint32_t kHybridDepth = 100;
constexpr size_t kPayloadColumns = 110;

Json ParseId(const std::string& text) {
  const bool digits = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? ParseOption(text, "--id") : Json(text);
}

void NameVersion(const SearchOptions& options, Json* node) {
  if (options.adapter_version) {
    (*node)["params"] = {{"adapter_version", *options.adapter_version}};
  }
}

Json MakeRequest(Client& client, const SearchOptions& options) {
  const int ways = !options.text.empty() + !options.vector.empty() + !options.id.empty();
  if (ways != 1) throw ClientError("give one of --text, --vector and --id");
  const VectorFields fields = FieldsOf(client.CollectionInfo(options.collection));
  if (options.hybrid) {
    if (options.text.empty()) throw ClientError("--hybrid needs --text");
    const std::string dense = OnlyOrChosen(fields.dense, options.using_vector, "dense", "--using");
    const std::string sparse = OnlyOrChosen(fields.sparse, "", "sparse", "--using");
    const std::string model = options.model.empty() ? std::string(kDenseTextModel) : options.model;
    Json node =
        HybridNode(TextVector(options.text, model), dense,
                   TextVector(options.text, kSparseTextModel), sparse, kHybridDepth, options.limit);
    NameVersion(options, &node["prefetch"][0]);
    return node;
  }
  std::vector<std::string> names = fields.dense;
  const bool by_sparse = std::find(fields.sparse.begin(), fields.sparse.end(),
                                   options.using_vector) != fields.sparse.end();
  if (by_sparse) names = fields.sparse;
  const std::string name =
      OnlyOrChosen(names, options.using_vector, by_sparse ? "sparse" : "dense", "--using");
  Json target;
  if (!options.text.empty()) {
    const std::string_view fallback = by_sparse ? kSparseTextModel : kDenseTextModel;
    target = TextVector(options.text, options.model.empty() ? fallback : options.model);
  } else if (!options.vector.empty()) {
    target = ParseOption(options.vector, "--vector");
  } else {
    target = ParseId(options.id);
  }
  Json node = NearestNode(target, name, options.limit);
  NameVersion(options, &node);
  return node;
}

}  // namespace

int RunSearch(const ServerChoice& server, const SearchOptions& options) {
  Client client = ConnectTo(server);
  Json request = MakeRequest(client, options);
  if (!options.filter.empty()) request["filter"] = ParseOption(options.filter, "--filter");
  request["with_payload"] = true;
  const QueryAnswer answer = client.Query(options.collection, request);
  if (options.json) {
    std::printf("%s\n", answer.points.dump(2).c_str());
    return kExitDone;
  }
  std::vector<std::vector<std::string>> rows = {{"rank", "score", "id", "payload"}};
  for (const Json& point : answer.points) {
    const std::string payload = point.value("payload", Json::object()).dump();
    rows.push_back({std::to_string(rows.size()), Decimal(point.at("score").get<double>(), 4),
                    point.at("id").dump(), Shortened(payload, kPayloadColumns)});
  }
  std::fputs(FormatTable(rows, /*all_left=*/true).c_str(), stdout);
  if (!answer.query_id.empty()) std::printf("query id: %s\n", answer.query_id.c_str());
  return kExitDone;
}

}  // namespace almagest::client
