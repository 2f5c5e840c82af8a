// Reads: plain structs that http fills and engine/search answers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/formula.h"
#include "engine/payload/filter.h"
#include "engine/payload/payload_selector.h"
#include "engine/types.h"

namespace almagest {

class Collection;   // collection/collection.h
struct QueryTrace;  // search/query_trace.h

// with_vector: none, all, or some names. (with_payload: payload_selector.h)
struct VectorSelector {
  enum class Kind : uint8_t { kNone, kAll, kNames };
  Kind kind = Kind::kNone;
  std::vector<std::string> names;
};

// REST `params.quantization`: what a search makes of segments whose graphs keep rounded rows beside
// the exact ones (config.h, Quantization).
struct QuantizedSearch {
  bool ignore = false;                 // Rows are scored by their exact vectors throughout.
  std::optional<bool> rescore;         // The best are. Default: as the field's quantization says.
  std::optional<double> oversampling;  // So many times the limit are rescored; 1 or more.
};

struct SearchParams {
  // REST `hnsw_ef`, 1..65'536. Default: what was measured when the segment was sealed.
  std::optional<uint32_t> beam_width;
  QuantizedSearch quantized;
  bool exact = false;         // Score every matching row.
  bool indexed_only = false;  // Sealed segments only.
  // REST `adapter_version`: the version of the searched vector that the query goes through; 0 is
  // the base vectors' own. Default: the active one. Costs of another one: version_set.h,
  // row_factors.h.
  std::optional<VersionId> adapter_version;
  // Points over which the idf of sparse terms is taken. Default: the whole collection.
  std::optional<Filter> idf_corpus;
};

// A vector, or a stored point's (the point is then left out of the results).
using VectorInput = std::variant<DenseVector, SparseVector, MultiVector, PointId>;

// Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998): picks the result with the largest
// (1 - diversity) * similarity to the query - diversity * largest similarity to a result picked
// before, until there are enough.
struct Diversification {
  double diversity = 0.5;  // 0..1; 0 is the plain order.
  // Picked from so many nearest. Default: the limit, but at most kDiversifiedMax.
  std::optional<uint64_t> candidates_limit;
};

struct NearestQuery {
  VectorInput target;
  std::optional<Diversification> mmr = std::nullopt;
};

// Like the positive examples and unlike the negative ones.
//   average     nearest to avg(positive), or 2 avg(positive) - avg(negative)
//   best score  s(x) = (x / (1 + |x|) + 1) / 2 of the best positive if it beats the best negative,
//               else -s of the best negative
//   sum scores  sum over positives minus sum over negatives
// x is the similarity to an example: the product, minus the squared distance, minus the sum.
struct RecommendQuery {
  enum class Strategy : uint8_t { kAverageVector, kBestScore, kSumScores };
  std::vector<VectorInput> positive, negative;  // Not both empty; average: a positive one at least.
  Strategy strategy = Strategy::kAverageVector;
};

// Divides the space: nearer to `positive` than to `negative` is the right side.
struct ContextPair {
  VectorInput positive, negative;
};
// Pairs on whose right side a point is, minus pairs on whose wrong side, plus s(target).
struct DiscoverQuery {
  VectorInput target;
  std::vector<ContextPair> pairs;
};
// Sum over pairs of d / (1 + |d|), d = min(x(positive) - x(negative) - epsilon, 0); best is 0.
struct ContextQuery {
  std::vector<ContextPair> pairs;  // At least one.
};

// Relevance feedback (Rocchio 1971, as differences of similarities): examples are sorted by their
// score and paired best with worst, second best with second worst, at most three pairs;
//   a x(target) + sum over pairs of (score difference)^b c (x(better) - x(worse))
struct RelevanceFeedbackQuery {
  struct Item {
    VectorInput example;
    float score = 0;
  };
  VectorInput target;
  std::vector<Item> feedback;  // At least one.
  float a = 1, b = 0, c = 0;   // b >= 0.
};

// Set operations on queries (after SetCSE, arXiv:2404.17606). A set is given by its examples and is
// as similar to a point as they are on average. With x(A) for that,
//   score = min over all_of x(A), or max over any_of x(A), the smaller one where both are given,
//           minus max(0, max over none_of x(B))
// so an intersection is as good as its worst member, a union as its best, and what resembles an
// excluded set falls by that much.
struct SetQuery {
  using Examples = std::vector<VectorInput>;      // At least one.
  std::vector<Examples> all_of, any_of, none_of;  // Not both of the first two empty.
};

// Where the vectors of points named by id come from, if not from the searched vector.
struct LookupFrom {
  std::string collection;                  // By name or alias.
  std::optional<std::string> vector_name;  // Default: the searched vector's name.
};
struct FusionQuery {
  // kLearned: RRF by the constant and weights that the active version of the dense prefetch came
  // with (learned_fusion.h); k and weights are not looked at.
  enum class Kind : uint8_t { kRrf, kDbsf, kLearned };
  Kind kind = Kind::kRrf;
  double rrf_k = 2;             // Cormack et al. 2009 use 60; Qdrant's default is 2.
  std::vector<double> weights;  // One per prefetch, or empty for all 1. RRF only.
};
struct OrderByQuery {
  std::string key;  // Needs an integer, float or datetime payload index.
  bool descending = false;
  std::optional<double> start_from;  // Inclusive. Datetimes in microseconds since 1970.
};
struct SampleQuery {};  // A uniform random sample of the matching points.

using QueryKind =
    std::variant<NearestQuery, FusionQuery, OrderByQuery, SampleQuery, RecommendQuery,
                 DiscoverQuery, ContextQuery, FormulaQuery, RelevanceFeedbackQuery, SetQuery>;

inline constexpr size_t kQueryDepthMax = 64;
inline constexpr uint64_t kQueryLimitDefault = 10;
inline constexpr uint64_t kDiversifiedMax = 16'384;  // Candidates of MMR.

// A node of the query tree: its prefetches are answered first, then `query` ranks their union (or
// the whole collection when there is none). Prefetches obey the filters of the nodes above them.
struct QueryNode {
  std::vector<QueryNode> prefetch;
  std::optional<QueryKind> query;  // Absent: points in id order (only without prefetch).
  std::string using_vector;        // "" is the unnamed vector.
  std::optional<Filter> filter;
  SearchParams params;
  std::optional<double> score_threshold;
  uint64_t limit = kQueryLimitDefault;
  std::optional<LookupFrom> lookup_from;
};

// Points named by id anywhere in the tree are left out of all results, unless their vectors were
// looked up in another collection.
struct QueryRequest {
  QueryNode root;
  uint64_t offset = 0;  // Prefetches fetch so many more. A random sample has none.
  PayloadSelector with_payload;
  VectorSelector with_vector;
  // Answer as if this adapter version of the searched field were the active one (evaluation), where
  // a node does not name one itself.
  std::optional<VersionId> as_version;
  Deadline deadline;
  QueryTrace* trace = nullptr;  // Told how the query was answered, if given (query_trace.h).
  // Finds the collections that lookup_from names; needed where a node has one.
  std::function<Result<std::shared_ptr<Collection>>(const std::string& name)> find_collection;
};

// The version that a node of the request asks for; nullopt: the active one.
inline std::optional<VersionId> VersionAsked(const QueryRequest& request, const QueryNode& node) {
  return node.params.adapter_version ? node.params.adapter_version : request.as_version;
}

struct Hit {
  PointId id;
  SequenceNumber version = 0;
  float score = 0;  // As REST shows it: larger first for Cosine and Dot, smaller for distances.
  std::optional<std::string> payload;  // JSON object text, if asked for.
  NamedVectors vectors;                // Those asked for.
  bool with_vectors = false;           // Whether `vectors` was asked for (it may be empty).
  std::optional<double> order_value;   // For order_by.
};

struct ScrollRequest {
  std::optional<PointId> offset;  // First id of the page.
  uint64_t limit = 10;
  std::optional<Filter> filter;
  std::optional<OrderByQuery> order_by;
  PayloadSelector with_payload{PayloadSelector::Mode::kAll, {}};
  VectorSelector with_vector;
  Deadline deadline;
};
struct ScrollPage {
  std::vector<Hit> points;
  std::optional<PointId> next;
};

}  // namespace almagest
