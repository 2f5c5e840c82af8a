#include "client/demo/demo_evaluation.h"

#include <algorithm>

#include "client/commands/learning_request.h"
#include "client/demo/demo_collection.h"

namespace almagest::client {
namespace {

constexpr size_t kResamples = 10'000;

uint64_t NextRandom(uint64_t& state) {  // SplitMix64 (Steele, Lea, Flood 2014).
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

ModeScores ScoresOf(const Json& results, const std::string& mode, size_t queries) {
  for (const Json& result : results) {
    if (result.value("mode", "") != mode) continue;
    ModeScores scores;
    scores.ndcg_at_10 = result.at("ndcg").at("mean").get<double>();
    scores.recall_at_10 = result.at("recall").at("mean").get<double>();
    scores.ndcg_per_query = result.at("ndcg_per_query").get<std::vector<double>>();
    if (scores.ndcg_per_query.size() != queries) {
      throw ClientError("the server evaluated " + std::to_string(scores.ndcg_per_query.size()) +
                        " of " + std::to_string(queries) + " test queries");
    }
    return scores;
  }
  throw ClientError("the server's evaluation has no mode \"" + mode + "\"");
}

}  // namespace

DemoScores EvaluateDemo(Client& client, const std::string& collection,
                        const std::vector<DescribedWord>& test, std::optional<uint64_t> version) {
  EvaluationRequest request;
  request.k = 10;
  request.per_query = true;
  request.modes["dense"] = DemoDenseQuery(TextPlaceholder(kDenseTextModel), kDemoDepth);
  request.modes["hybrid"] = DemoHybridQuery(TextPlaceholder(kDenseTextModel),
                                            TextPlaceholder(kSparseTextModel), kDemoDepth);
  if (version) request.versions = {*version};
  for (const DescribedWord& query : test) {
    JudgedQuery judged;
    judged.target = TextVector(query.description, kDenseTextModel);
    for (const uint64_t id : query.relevant) judged.judgements.emplace_back(id, 1.0);
    request.queries.push_back(std::move(judged));
  }
  const Json report = client.Evaluate(collection, EvaluationBody(request));
  const Json& results = report.at("results");
  return {ScoresOf(results, "dense", test.size()), ScoresOf(results, "hybrid", test.size())};
}

GainInterval PairedInterval(const std::vector<double>& after, const std::vector<double>& before) {
  std::vector<double> gains(after.size());
  double sum = 0;
  for (size_t i = 0; i < gains.size(); ++i) {
    gains[i] = after[i] - before[i];
    sum += gains[i];
  }
  const auto count = static_cast<double>(gains.size());
  std::vector<double> means(kResamples);
  uint64_t state = 1;
  for (double& mean : means) {
    double total = 0;
    for (size_t i = 0; i < gains.size(); ++i) total += gains[NextRandom(state) % gains.size()];
    mean = total / count;
  }
  std::sort(means.begin(), means.end());
  return {sum / count, means[kResamples / 40], means[kResamples - 1 - kResamples / 40]};
}

}  // namespace almagest::client
