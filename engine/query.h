// Reads: plain structs that http fills and engine/search answers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/payload/filter.h"
#include "engine/payload/payload_selector.h"
#include "engine/types.h"

namespace almagest {

// with_vector: none, all, or some names. (with_payload: payload_selector.h)
struct VectorSelector {
  enum class Kind : uint8_t { kNone, kAll, kNames };
  Kind kind = Kind::kNone;
  std::vector<std::string> names;
};

struct SearchParams {
  std::optional<uint32_t> beam_width;  // REST `hnsw_ef`, 1..65'536. Default: max(limit, 128).
  bool exact = false;                  // Score every matching row.
  bool indexed_only = false;           // Sealed segments only.
};

// Nearest to a vector, or to a stored point (which is then left out of the results).
struct NearestQuery {
  std::variant<DenseVector, SparseVector, PointId> target;
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

using QueryKind = std::variant<NearestQuery, FusionQuery, OrderByQuery, SampleQuery>;

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
};

struct QueryRequest {
  QueryNode root;
  uint64_t offset = 0;
  PayloadSelector with_payload;
  VectorSelector with_vector;
  // Answer as if this adapter version of the searched field were the active one (evaluation).
  std::optional<VersionId> as_version;
  Deadline deadline;
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
