// JSON to the query kinds that compare with examples: recommend, discover, context, relevance
// feedback, sets; and mmr.
#pragma once

#include <optional>

#include "engine/query.h"
#include "http/json_reader.h"
#include "http/text_resolver.h"

namespace almagest {

// A point id, or any form of a vector (vector_parser.h).
Result<VectorInput> ParseVectorInput(const JsonValue& value, TextResolver& texts);

// {positive, negative, strategy}; 422 without any example.
Result<RecommendQuery> ParseRecommend(const JsonValue& value, TextResolver& texts);
// One pair {positive, negative}, or a list.
Result<std::vector<ContextPair>> ParseContext(const JsonValue& value, TextResolver& texts);

// The query under `recommend`, `discover`, `context`, `relevance_feedback` or `set`; nullopt when
// there is none of them.
Result<std::optional<QueryKind>> FindExampleQuery(const JsonValue& query, TextResolver& texts);
// `mmr` of a nearest query.
Result<std::optional<Diversification>> FindDiversification(const JsonValue& query);

}  // namespace almagest
