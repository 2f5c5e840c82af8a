#include "tests/bench/learning/compatibility_bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>

#include "storage/base/checksum.h"
#include "tests/bench/learning/compatibility_measure.h"

namespace almagest::bench {
namespace {

using training::JudgedQuery;
using Json = nlohmann::ordered_json;

constexpr size_t kTestQueriesMax = 1000;
constexpr size_t kFirstVersionQueriesMin = 10;
constexpr double kLearningRates[] = {3e-4, 1e-3, 3e-3, 1e-2};
constexpr char kFolded[] = "linear_folded";

std::vector<JudgedQuery> ByQuery(const Qrels& qrels) {
  const std::vector<float> weight(qrels.query.size(), 1.0f);
  return training::GroupJudgements({qrels.query, qrels.document, qrels.grade, weight, {}});
}

std::vector<JudgedQuery> SomeOf(std::vector<JudgedQuery> queries) {
  std::ranges::sort(queries, {}, [](const JudgedQuery& query) {
    return Mix64(static_cast<uint64_t>(query.query));
  });
  queries.resize(std::min(queries.size(), kTestQueriesMax));
  return queries;
}

// What the last version, trained without any thought of others, validates best with.
double ChooseLearningRate(const CompatibilityTask& task, const CompatibilityArm& arm) {
  CompatibilityArm plain;
  plain.shape = arm.shape;
  plain.maps_documents = arm.maps_documents;
  // Stands for all versions before: only their number matters here.
  const std::vector<MappedVersion> older(task.versions(), BaseVersion(task.space));
  double best = kLearningRates[0];
  double best_quality = -1;
  for (const double rate : kLearningRates) {
    const double quality = TrainVersion(task, plain, older, rate).validation;
    if (quality <= best_quality) continue;
    best_quality = quality;
    best = rate;
  }
  return best;
}

}  // namespace

Result<Json> MeasureLearnedCompatibility(const JudgedSet& set, const std::string& model,
                                         const CompatibilityOptions& options) {
  ALMAGEST_TRY(const ModelVectors vectors, ReadModel(set, model));
  ALMAGEST_TRY(const auto space,
               training::VectorSpace::Create(vectors.documents, vectors.queries,
                                             {vectors.dimension, training::Distance::kCosine,
                                              training::DeviceChoice::kCpu, options.threads}));
  const std::vector<JudgedQuery> train = ByQuery(set.train);
  const std::vector<JudgedQuery> test = SomeOf(ByQuery(set.test));
  const auto trained_versions = static_cast<size_t>(options.versions);
  if (train.size() / trained_versions < kFirstVersionQueriesMin) {
    return Fail(ErrorCode::kFailedPrecondition, "the set has " + std::to_string(train.size()) +
                                                    " judged train queries, too few for " +
                                                    std::to_string(trained_versions) + " versions");
  }
  const std::vector<CompatibilityArm> arms = CompatibilityArms(options.ablations);
  std::map<std::pair<MapShape, bool>, double> learning_rates;
  std::map<std::string, std::vector<VersionQuality>> measured;
  for (int64_t seed = 1; seed <= options.seeds; ++seed) {
    const CompatibilityTask task =
        MakeTask(*space, train, trained_versions, options.steps, static_cast<uint64_t>(seed));
    if (seed == 1) {
      std::printf("  %zu train and %zu test queries, %zu versions; %lld pseudo-classes, fit %.2f\n",
                  train.size(), test.size(), trained_versions,
                  static_cast<long long>(task.classes.count), task.classes.fit);
    }
    for (const CompatibilityArm& arm : arms) {
      const auto start = std::chrono::steady_clock::now();
      const std::pair<MapShape, bool> kind(arm.shape, arm.maps_documents);
      if (!learning_rates.contains(kind)) {
        learning_rates[kind] = ChooseLearningRate(task, arm);
        std::printf("  %s: learning rate %g\n", arm.served.front().name, learning_rates[kind]);
      }
      std::vector<MappedVersion> versions = {BaseVersion(*space)};
      std::string steps;
      while (versions.size() <= trained_versions) {
        versions.push_back(TrainVersion(task, arm, versions, learning_rates[kind]));
        steps += " " + std::to_string(versions.back().best_step);
      }
      for (const ServedAs& served : arm.served) {
        measured[served.name].push_back(MeasureVersions(served.serving, versions, test));
      }
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      std::printf("  seed %lld of %lld: %s, best steps%s, %.1f s\n", static_cast<long long>(seed),
                  static_cast<long long>(options.seeds), arm.served.front().name, steps.c_str(),
                  seconds.count());
      std::fflush(stdout);
    }
  }
  Json rows = Json::array();
  PrintArmHeading();
  for (const CompatibilityArm& arm : arms) {
    for (const ServedAs& served : arm.served) {
      Json row = {{"dataset", set.path.filename().string()}, {"model", model}};
      row.update(ReportArm(served.name, measured.at(served.name), measured.at(kFolded)));
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace almagest::bench
