// JSON to the query structs of engine/query.h: the universal query, the older search, scroll.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "engine/query.h"
#include "http/json_reader.h"
#include "http/text_resolver.h"

namespace almagest {

// What the placeholders of an evaluation template stand for ({"$text": "use-lite"},
// {"$vector": "name"}, {"$point": true}). Outside templates there is none.
struct QueryBindings {
  std::string path;  // Of the query in the request, for errors.
  std::optional<std::string> text;
  std::map<std::string, VectorData> vectors;
  std::optional<PointId> point;
};

// The leg of a query that feedback can refer to: the first dense nearest one, depth first.
struct LoggedLeg {
  std::string vector_name;
  DenseVector vector;
  std::optional<std::string> text;
  std::optional<VersionId> version = std::nullopt;  // If the leg names one.
};

inline constexpr size_t kSearchesMax = 4096;  // Queries of one batch.

struct ParsedQuery {
  QueryRequest request;
  std::optional<LoggedLeg> logged;
  bool explain = false;  // Our own option.
};

// POST /points/query. 400 for a wrong form or something this server does not have (named), 422 for
// a value out of its range (limit 0, hnsw_ef, ...).
Result<ParsedQuery> ParseQueryRequest(const JsonValue& body, TextResolver& texts);

// One node of a query tree, with placeholders if `bindings` is given.
Result<QueryNode> ParseQueryTemplate(const JsonValue& value, TextResolver& texts,
                                     const QueryBindings& bindings);

// The older calls, each one kind of query. POST /points/search: `vector` and `limit` (or `top`).
Result<ParsedQuery> ParseSearchRequest(const JsonValue& body, TextResolver& texts);
// POST /points/recommend: `positive`, `negative`, `strategy`, `using`, `lookup_from`.
Result<ParsedQuery> ParseRecommendRequest(const JsonValue& body, TextResolver& texts);
// POST /points/discover: `target` and `context`; a context query when there is no target.
Result<ParsedQuery> ParseDiscoverRequest(const JsonValue& body, TextResolver& texts);

Result<ScrollRequest> ParseScrollRequest(const JsonValue& body);

}  // namespace almagest
