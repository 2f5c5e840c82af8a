#include "tests/bench/learning/set_measurement.h"

#include <cstdio>
#include <functional>
#include <map>

#include "storage/base/safetensors.h"
#include "tests/bench/learning/learning_speed.h"
#include "tests/bench/learning/partial_migration.h"
#include "tests/bench/learning/reference_adapter.h"
#include "tests/bench/learning/text_leg.h"
#include "training/evaluation.h"
#include "training/fusion_tuning.h"
#include "training/gate.h"
#include "training/run_job.h"

namespace almagest::bench {
namespace {

using namespace training;
using Json = nlohmann::ordered_json;
using Metrics = std::vector<QueryMetrics>;

std::vector<JudgedQuery> Grouped(const Qrels& qrels) {
  const std::vector<float> weight(qrels.query.size(), 1.0f);
  return GroupJudgements({qrels.query, qrels.document, qrels.grade, weight, {}});
}

std::vector<int32_t> Documents(const ScoredDocuments& list) {
  std::vector<int32_t> documents;
  for (const auto& [document, score] : list) documents.push_back(document);
  return documents;
}

Result<> WriteTextLeg(const std::filesystem::path& path, std::span<const ScoredDocuments> lists) {
  std::vector<int32_t> rows;
  for (const ScoredDocuments& list : lists) {
    const std::vector<int32_t> documents = Documents(list);
    rows.insert(rows.end(), documents.begin(), documents.end());
    rows.insert(rows.end(), kLegDepth - documents.size(), -1);
  }
  SafetensorsWriter writer;
  writer.AddInt32("documents",
                  {static_cast<int64_t>(lists.size()), static_cast<int64_t>(kLegDepth)}, rows);
  return writer.Write(path);
}

Result<> WriteNeighbours(const std::filesystem::path& path, const DocumentNeighbours& found) {
  const auto count = static_cast<int64_t>(found.documents.size());
  SafetensorsWriter writer;
  writer.AddInt32("documents", {count}, found.documents);
  writer.AddInt32("neighbours", {count, static_cast<int64_t>(kNeighbourDepth)}, found.neighbours);
  return writer.Write(path);
}

class Measurement {
 public:
  Measurement(const JudgedSet& set, std::string model, const MeasurementOptions& options,
              std::filesystem::path folder)
      : set_(set), model_(std::move(model)), options_(options), folder_(std::move(folder)) {}

  Result<Json> Run() {
    ALMAGEST_TRY(vectors_, ReadModel(set_, model_));
    ALMAGEST_TRY(text_, RankByText(set_.document_texts, set_.query_texts));
    ALMAGEST_TRY(const JobReport report, Train());
    if (!report.selection) {
      return Fail(ErrorCode::kFailedPrecondition, "skipped: " + report.reason);
    }
    test_ = Grouped(set_.test);
    ALMAGEST_TRY(space_, VectorSpace::Create(vectors_.documents, vectors_.queries,
                                             {vectors_.dimension, training::Distance::kCosine,
                                              DeviceChoice::kAuto, options_.threads}));
    const LinearAdapter identity = LinearAdapter::Identity(vectors_.dimension);
    // Through the file, as a server would read it.
    ALMAGEST_TRY(const LinearAdapter adapter,
                 ReadAdapter(folder_ / "adapter.safetensors", vectors_.dimension));
    const auto train = Grouped(set_.train);
    const LinearAdapter reference =
        TrainReferenceAdapter(*space_, train, static_cast<uint64_t>(options_.seed));
    const auto untrained_lists = MeasureDense("untrained", identity);
    MeasureDense("whitened", report.selection->whitened);
    std::vector<ScoredDocuments> text;
    for (const JudgedQuery& query : test_) text.push_back(text_[static_cast<size_t>(query.query)]);
    rows_["bm25"] = MeasureLists(test_, text);
    const auto reference_lists = MeasureDense("reference", reference);
    const auto adapted_lists = MeasureDense("automatic", adapter);
    MeasureFused("rrf", untrained_lists, {});
    MeasureFused("rrf_reference", reference_lists, {});
    MeasureFused("rrf_automatic", adapted_lists, {});
    if (report.fusion) MeasureFused("fused_automatic", adapted_lists, report.fusion->weights);
    ALMAGEST_TRY(const auto migration,
                 MeasurePartialMigration(vectors_, adapter, test_, kFractions));
    for (size_t i = 0; i < std::size(kFractions); ++i) {
      rows_["reembedded_" + std::to_string(static_cast<int>(100 * kFractions[i]))] = migration[i];
    }
    Json rows = Json::array();
    for (const char* method : kMethods) AddRow(method, &rows);
    ALMAGEST_TRY(Json speed, MeasureSpeed(report, vectors_, adapter, options_.threads));
    speed["dataset"] = set_.path.filename().string();
    speed["model"] = model_;
    speed["method"] = "speed";
    std::printf("  winner %s\n  %s\n", report.selection->winner.c_str(),
                report.selection->explanation.c_str());
    if (report.fusion) std::printf("  fusion: %s\n", report.fusion->explanation.c_str());
    if (report.drift) {
      std::printf("  gate %s; kept of unjudged results %.4f, self-retrieval %.4f (before: %.4f)\n",
                  VerdictName(report.gate.verdict), report.drift->overlap_at_10,
                  report.drift->self_retrieval, report.drift->self_retrieval_before);
    }
    for (const CandidateRecord& candidate : report.selection->candidates) {
      std::printf("    candidate %-28s best step %3ld, validation nDCG@10 %.4f, factor %g\n",
                  candidate.name.c_str(), static_cast<long>(candidate.best_step),
                  candidate.validation_ndcg_at_10, candidate.change_factor);
    }
    std::printf("  %s\n", speed.dump().c_str());
    rows.push_back(std::move(speed));
    return rows;
  }

 private:
  static constexpr double kFractions[] = {0, 0.25, 0.5, 0.75, 1};
  static constexpr const char* kMethods[] = {"untrained",     "whitened",      "bm25",
                                             "rrf",           "reference",     "automatic",
                                             "rrf_reference", "rrf_automatic", "fused_automatic",
                                             "reembedded_0",  "reembedded_25", "reembedded_50",
                                             "reembedded_75", "reembedded_100"};

  Result<JobReport> Train() {
    const Json config = {{"format_version", 1},        {"job_id", set_.path.filename().string()},
                         {"distance", "Cosine"},       {"dimension", vectors_.dimension},
                         {"seed", options_.seed},      {"threads", options_.threads},
                         {"options", options_.options}};
    ALMAGEST_TRY_VOID(WriteJobFolder(folder_, vectors_, set_.train, config.dump()));
    ALMAGEST_TRY_VOID(WriteTextLeg(folder_ / "text_leg.safetensors", text_));
    ALMAGEST_TRY(const DocumentNeighbours neighbours, FindNeighbours(set_.document_texts));
    ALMAGEST_TRY_VOID(WriteNeighbours(folder_ / "neighbours.safetensors", neighbours));
    ALMAGEST_TRY(const auto progress, Progress::Open(folder_ / "progress.jsonl"));
    return RunJob(folder_, {}, progress.get());
  }

  // Keeps the metrics under `method` and returns the lists.
  std::vector<std::vector<int32_t>> MeasureDense(const char* method, const LinearAdapter& adapter) {
    std::vector<int32_t> query_rows;
    for (const JudgedQuery& query : test_) query_rows.push_back(query.query);
    const Ranking ranking =
        space_->Search(adapter, adapter, query_rows, static_cast<int64_t>(kLegDepth), true, {});
    std::vector<std::vector<int32_t>> lists;
    Metrics metrics;
    for (size_t i = 0; i < test_.size(); ++i) {
      lists.emplace_back(ranking.Of(i).begin(), ranking.Of(i).end());
      metrics.push_back(MeasureRanking(lists.back(), test_[i].documents));
    }
    rows_[method] = std::move(metrics);
    return lists;
  }

  void MeasureFused(const char* method, const std::vector<std::vector<int32_t>>& dense,
                    const FusionWeights& weights) {
    Metrics metrics;
    for (size_t i = 0; i < test_.size(); ++i) {
      const auto text = Documents(text_[static_cast<size_t>(test_[i].query)]);
      metrics.push_back(
          MeasureRanking(FuseRanks(dense[i], text, weights, kLegDepth), test_[i].documents));
    }
    rows_[method] = std::move(metrics);
  }

  Interval Difference(const std::string& method, const std::string& against) const {
    std::vector<int32_t> each;
    for (const JudgedQuery& query : test_) each.push_back(query.query);
    return PairedGain(Column(rows_.at(method), &QueryMetrics::ndcg_at_10),
                      Column(rows_.at(against), &QueryMetrics::ndcg_at_10), each);
  }

  void AddRow(const char* method, Json* rows) const {
    const auto found = rows_.find(method);
    if (found == rows_.end()) return;
    const double ndcg = Mean(Column(found->second, &QueryMetrics::ndcg_at_10));
    const double recall = Mean(Column(found->second, &QueryMetrics::recall_at_100));
    const Interval to_reference = Difference(method, "reference");
    const Interval to_untrained = Difference(method, "untrained");
    std::printf("  %-16s %.4f / %.4f   to the reference %+.4f [%+.4f, %+.4f]\n", method, ndcg,
                recall, to_reference.mean, to_reference.low, to_reference.high);
    rows->push_back({{"dataset", set_.path.filename().string()},
                     {"model", model_},
                     {"method", method},
                     {"ndcg_at_10", ndcg},
                     {"recall_at_100", recall},
                     {"difference_to_reference", to_reference.mean},
                     {"difference_to_reference_95", {to_reference.low, to_reference.high}},
                     {"difference_to_untrained_95", {to_untrained.low, to_untrained.high}}});
  }

  const JudgedSet& set_;
  const std::string model_;
  const MeasurementOptions& options_;
  const std::filesystem::path folder_;
  ModelVectors vectors_;
  std::vector<ScoredDocuments> text_;  // Of every query.
  std::vector<JudgedQuery> test_;
  std::unique_ptr<VectorSpace> space_;
  std::map<std::string, Metrics> rows_;
};

}  // namespace

Result<Json> MeasureSet(const JudgedSet& set, const std::string& model,
                        const MeasurementOptions& options, const std::filesystem::path& folder) {
  return Measurement(set, model, options, folder).Run();
}

}  // namespace almagest::bench
