// Reads: plain structs that http fills and engine/search answers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/payload/filter.h"
#include "engine/payload/payload_selector.h"
#include "engine/types.h"

namespace almagest {

class Collection;  // collection/collection.h

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
  bool exact = false;                  // Score every matching row.
  bool indexed_only = false;           // Sealed segments only.
};

// A vector, or a stored point's (the point is then left out of the results).
using VectorInput = std::variant<DenseVector, SparseVector, PointId>;

// Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998): picks the result with the largest
// (1 - diversity) * similarity to the query - diversity * largest similarity to a result picked
// before, until there are enough.
struct Diversification {
  double diversity = 0.5;                     // 0..1; 0 is the plain order.
  std::optional<uint64_t> candidates_limit;   // Picked from so many nearest. Default: the limit.
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

// Where the vectors of points named by id come from, if not from the searched vector.
struct LookupFrom {
  std::string collection;  // By name or alias.
  std::optional<std::string> vector_name;  // Default: the searched vector's name.
};
struct FusionQuery {
  enum class Kind : uint8_t { kRrf, kDbsf };
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

using QueryKind = std::variant<NearestQuery, FusionQuery, OrderByQuery, SampleQuery, RecommendQuery,
                               DiscoverQuery, ContextQuery>;

inline constexpr size_t kQueryDepthMax = 64;
inline constexpr uint64_t kQueryLimitDefault = 10;

// A node of the query tree: its prefetches are answered first, then `query` ranks their union (or
// the whole collection when there is none).
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

struct QueryRequest {
  QueryNode root;
  uint64_t offset = 0;
  PayloadSelector with_payload;
  VectorSelector with_vector;
  // Answer as if this adapter version of the searched field were the active one (evaluation).
  std::optional<VersionId> as_version;
  Deadline deadline;
  // Finds the collections that lookup_from names; needed where a node has one.
  std::function<Result<std::shared_ptr<Collection>>(const std::string& name)> find_collection;
};

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
