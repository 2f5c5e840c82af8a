#include "engine/learning/evaluation.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "engine/collection/collection.h"
#include "engine/learning/ranking_metrics.h"
#include "engine/search/query_executor.h"

namespace almagest {
namespace {

constexpr size_t kThreads = 2;

Result<> CheckDepth(const char* name, uint32_t depth) {
  if (depth >= 1 && depth <= kEvaluationDepthMax) return {};
  return Fail(ErrorCode::kOutOfRange, std::string(name) + " is " + std::to_string(depth) +
                                          ", it must be from 1 to " +
                                          std::to_string(kEvaluationDepthMax));
}

Result<> CheckCount(const char* name, size_t count, size_t limit) {
  if (count <= limit) return {};
  return Fail(ErrorCode::kOutOfRange, std::string(name) + " has " + std::to_string(count) +
                                          " entries, the limit is " + std::to_string(limit));
}

// Names of the vectors that a query searches.
void CollectVectorNames(const QueryNode& node, std::set<std::string>* names) {
  if (node.query && std::holds_alternative<NearestQuery>(*node.query)) {
    names->insert(node.using_vector);
  }
  for (const QueryNode& child : node.prefetch) CollectVectorNames(child, names);
}

// Makes every asked version searchable in the dense fields that have it.
Result<> PrepareVersions(Collection& collection, const EvaluationRequest& request) {
  std::set<std::string> names;
  for (const JudgedQuery& query : request.queries) {
    for (const QueryNode& node : query.modes) CollectVectorNames(node, &names);
  }
  for (const VersionId version : request.versions) {
    bool is_known = version == 0;
    for (const std::string& name : names) {
      ALMAGEST_TRY(const Collection::Field field, collection.FindField(name));
      if (field.is_sparse || field.is_multi()) continue;
      ALMAGEST_TRY(const auto versions, collection.Versions(name));
      if (versions->Find(version) == nullptr) continue;
      is_known = true;
      ALMAGEST_TRY_VOID(collection.PrepareVersion(name, version));
    }
    if (!is_known) {
      return Fail(ErrorCode::kNotFound,
                  "no searched vector has a version " + std::to_string(version));
    }
  }
  return {};
}

struct QueryMetrics {
  double ndcg = 0, recall = 0, deep_recall = 0, reciprocal_rank = 0;
};

class Evaluator {
 public:
  Evaluator(const Collection& collection, const EvaluationRequest& request)
      : collection_(collection), request_(request) {
    for (const JudgedQuery& query : request.queries) {
      GradedPoints graded(query.judgements);
      if (graded.relevant_count() == 0) continue;
      queries_.push_back(&query);
      graded_.push_back(std::move(graded));
    }
    for (size_t mode = 0; mode < request.mode_names.size(); ++mode) {
      if (request.versions.empty()) columns_.push_back({mode, std::nullopt, {}});
      for (const VersionId version : request.versions) columns_.push_back({mode, version, {}});
    }
    for (Column& column : columns_) column.metrics.resize(queries_.size());
  }

  Result<EvaluationReport> Run() {
    std::vector<std::thread> helpers;
    for (size_t i = 1; i < kThreads; ++i) helpers.emplace_back([this] { Work(); });
    Work();
    for (std::thread& helper : helpers) helper.join();
    if (!error_) return Fail(error_.error());
    return Report();
  }

 private:
  struct Column {
    size_t mode = 0;
    std::optional<VersionId> version;
    std::vector<QueryMetrics> metrics;  // Parallel to queries_.
  };

  // Takes (column, query) pairs until none is left or one failed.
  void Work() {
    const size_t tasks = columns_.size() * queries_.size();
    while (!stop_) {
      const size_t task = next_.fetch_add(1);
      if (task >= tasks) return;
      const auto measured = Measure(columns_[task / queries_.size()], task % queries_.size());
      if (measured) continue;
      const std::lock_guard lock(error_mutex_);
      if (error_) error_ = Fail(measured.error());
      stop_ = true;
    }
  }

  Result<> Measure(Column& column, size_t at) {
    if (request_.deadline.Expired()) {
      return Fail(ErrorCode::kTimeout, "the evaluation did not end within its time limit");
    }
    QueryRequest query;
    query.root = queries_[at]->modes[column.mode];
    query.root.limit = std::max(request_.k, request_.recall_k);
    query.as_version = column.version;
    query.deadline = request_.deadline;
    auto hits = ExecuteQuery(collection_, query);
    if (!hits) {
      return Fail(hits.error().code, "query " + Name(at) + ", mode '" +
                                         request_.mode_names[column.mode] +
                                         "': " + hits.error().message);
    }
    std::vector<PointId> ranking;
    for (const Hit& hit : *hits) ranking.push_back(hit.id);
    const GradedPoints& graded = graded_[at];
    const Gain gain = request_.exponential_gain ? Gain::kExponential : Gain::kLinear;
    column.metrics[at] = {
        graded.Ndcg(ranking, request_.k, gain), graded.Recall(ranking, request_.k),
        graded.Recall(ranking, request_.recall_k), graded.ReciprocalRank(ranking, request_.k)};
    return {};
  }

  std::string Name(size_t at) const {
    if (!queries_[at]->name.empty()) return "'" + queries_[at]->name.substr(0, 64) + "'";
    return std::to_string(queries_[at] - request_.queries.data());
  }

  static std::vector<double> Values(const Column& column, double QueryMetrics::*member) {
    std::vector<double> values;
    for (const QueryMetrics& metrics : column.metrics) values.push_back(metrics.*member);
    return values;
  }

  EvaluationReport Report() const {
    EvaluationReport report;
    report.queries_left_out = request_.queries.size() - queries_.size();
    for (const Column& column : columns_) {
      EvaluationResult result;
      result.mode = request_.mode_names[column.mode];
      result.version = column.version;
      result.queries = queries_.size();
      const auto ndcg = Values(column, &QueryMetrics::ndcg);
      result.ndcg = BootstrapMean(ndcg);
      result.recall = BootstrapMean(Values(column, &QueryMetrics::recall));
      result.deep_recall = BootstrapMean(Values(column, &QueryMetrics::deep_recall));
      result.mrr = BootstrapMean(Values(column, &QueryMetrics::reciprocal_rank));
      if (request_.per_query) result.ndcg_per_query = ndcg;
      report.results.push_back(std::move(result));
    }
    if (request_.compare) {
      const auto before = Values(columns_[request_.compare->first], &QueryMetrics::ndcg);
      auto difference = Values(columns_[request_.compare->second], &QueryMetrics::ndcg);
      for (size_t i = 0; i < difference.size(); ++i) difference[i] -= before[i];
      report.ndcg_difference = BootstrapMean(difference);
    }
    return report;
  }

  const Collection& collection_;
  const EvaluationRequest& request_;
  std::vector<const JudgedQuery*> queries_;  // With a relevant judgement.
  std::vector<GradedPoints> graded_;         // Parallel to queries_.
  std::vector<Column> columns_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> stop_{false};
  std::mutex error_mutex_;
  Result<> error_;
};

}  // namespace

Result<EvaluationReport> EvaluateSearch(Collection& collection, const EvaluationRequest& request) {
  ALMAGEST_TRY_VOID(CheckDepth("k", request.k));
  ALMAGEST_TRY_VOID(CheckDepth("recall_k", request.recall_k));
  ALMAGEST_TRY_VOID(CheckCount("queries", request.queries.size(), kEvaluationQueriesMax));
  const size_t results = request.mode_names.size() * std::max<size_t>(request.versions.size(), 1);
  ALMAGEST_TRY_VOID(CheckCount("modes times versions", results, kEvaluationResultsMax));
  if (results == 0) return Fail(ErrorCode::kInvalidArgument, "modes is empty");
  if (request.compare && std::max(request.compare->first, request.compare->second) >= results) {
    return Fail(ErrorCode::kOutOfRange,
                "compare names result " +
                    std::to_string(std::max(request.compare->first, request.compare->second)) +
                    ", there are " + std::to_string(results));
  }
  for (size_t i = 0; i < request.queries.size(); ++i) {
    if (request.queries[i].modes.size() == request.mode_names.size()) continue;
    return Fail(ErrorCode::kInvalidArgument,
                "queries[" + std::to_string(i) + "] has " +
                    std::to_string(request.queries[i].modes.size()) + " searches, there are " +
                    std::to_string(request.mode_names.size()) + " modes");
  }
  ALMAGEST_TRY_VOID(PrepareVersions(collection, request));
  return Evaluator(collection, request).Run();
}

}  // namespace almagest
