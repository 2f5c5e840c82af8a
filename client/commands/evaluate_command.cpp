#include <cstdio>

#include "client/commands/commands.h"
#include "client/commands/learning_request.h"
#include "client/commands/query_builder.h"
#include "client/commands/text_table.h"

namespace almagest::client {
namespace {

constexpr uint32_t kDepth = 100;  // For Recall@100, and of each leg that hybrid search fuses.

Json DensePlaceholder(const JudgedQuery& query, const std::string& model) {
  if (query.target.is_object() && query.target.contains("text")) return TextPlaceholder(model);
  if (query.target.is_array()) return VectorPlaceholder(kQueryVectorName);
  return PointPlaceholder();
}

std::string WithInterval(const Json& interval) {
  return Decimal(interval.value("mean", 0.0), 4) + " (" + Decimal(interval.value("low", 0.0), 4) +
         " to " + Decimal(interval.value("high", 0.0), 4) + ")";
}

}  // namespace

int RunEvaluate(const ServerChoice& server, const EvaluateOptions& options) {
  Client client = ConnectTo(server);
  const VectorFields fields = FieldsOf(client.CollectionInfo(options.collection));
  const std::string dense = OnlyOrChosen(fields.dense, options.vector_name, "dense", "--vector");
  EvaluationRequest request;
  request.k = options.k;
  request.versions = options.versions;
  request.queries = ReadJudgedQueries(options.qrels, options.queries, options.model);
  const Json placeholder = DensePlaceholder(request.queries.front(), options.model);
  request.modes["dense"] = NearestNode(placeholder, dense, kDepth);
  if (!options.sparse_name.empty()) {
    if (!placeholder.contains("$text")) throw ClientError("--sparse needs queries with text");
    const std::string sparse =
        OnlyOrChosen(fields.sparse, options.sparse_name, "sparse", "--sparse");
    const Json terms = TextPlaceholder(kSparseTextModel);
    request.modes["sparse"] = NearestNode(terms, sparse, kDepth);
    request.modes["hybrid"] = HybridNode(placeholder, dense, terms, sparse, kDepth, kDepth);
  }
  const Json report = client.Evaluate(options.collection, EvaluationBody(request));
  if (options.json) {
    std::printf("%s\n", report.dump(2).c_str());
    return kExitDone;
  }
  const std::string at_k = "@" + std::to_string(options.k);
  std::vector<std::vector<std::string>> rows = {
      {"mode", "version", "queries", "nDCG" + at_k, "Recall" + at_k, "Recall@100", "MRR"}};
  for (const Json& result : report.at("results")) {
    const Json version = result.value("version", Json());
    rows.push_back({result.value("mode", ""), version.is_null() ? "served" : version.dump(),
                    result.value("queries", Json()).dump(), WithInterval(result.at("ndcg")),
                    WithInterval(result.at("recall")), WithInterval(result.at("deep_recall")),
                    WithInterval(result.at("mrr"))});
  }
  std::fputs(FormatTable(rows).c_str(), stdout);
  return kExitDone;
}

}  // namespace almagest::client
