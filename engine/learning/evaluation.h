// Evaluation of search on given judgements: nDCG@k, Recall@k, MRR with confidence intervals, per
// search mode and adapter version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/query.h"
#include "storage/base/bootstrap.h"

namespace almagest {

struct JudgedPoint { PointId id; double grade = 1; };
struct JudgedQuery {
  std::string name;                          // For per-query output; may be empty.
  std::vector<QueryNode> modes;              // One query per mode of the request, same order.
  std::vector<JudgedPoint> judgements;       // Grade > 0 is relevant.
};
struct EvaluationRequest {
  std::vector<std::string> mode_names;       // "dense", "sparse", "hybrid", any name.
  std::vector<JudgedQuery> queries;
  // Versions of the adapted field to compare; empty: as served now.
  std::vector<VersionId> versions;
  uint32_t k = 10;                           // Cut-off of nDCG and Recall; 1..1000.
  uint32_t recall_k = 100;                   // A second, deeper recall.
  bool exponential_gain = false;             // gain 2^g - 1 instead of g.
  bool per_query = false;                    // Include nDCG of each query.
  std::optional<std::pair<size_t, size_t>> compare;  // Two result indexes for a paired interval.
  Deadline deadline;
};
struct EvaluationResult {
  std::string mode;
  std::optional<VersionId> version;
  size_t queries = 0;                        // With at least one relevant judgement.
  Interval ndcg, recall, deep_recall, mrr;
  std::vector<double> ndcg_per_query;        // If asked for.
};
struct EvaluationReport {
  std::vector<EvaluationResult> results;     // Mode-major, then versions.
  std::optional<Interval> ndcg_difference;   // results[compare.second] - results[compare.first].
  size_t queries_left_out = 0;               // Without a relevant judgement: no metric is defined.
};

class Collection;

inline constexpr uint32_t kEvaluationDepthMax = 1'000;
inline constexpr size_t kEvaluationQueriesMax = 100'000;
inline constexpr size_t kEvaluationResultsMax = 64;  // Modes times versions.

// Runs every query in every mode and version, two at a time, and measures. Judged points that do
// not exist count as not found. MRR looks at the first k. Intervals are 95 % bootstrap intervals
// over queries (storage/base/bootstrap.h); the comparison is paired by query. Versions are prepared
// for searching first, which changes no result of other searches.
// kOutOfRange for k, recall_k, counts or `compare` out of range; kInvalidArgument when a query has
// not one node per mode; kNotFound for an unknown version; kTimeout; and what ExecuteQuery says.
Result<EvaluationReport> EvaluateSearch(Collection& collection, const EvaluationRequest& request);

}  // namespace almagest
