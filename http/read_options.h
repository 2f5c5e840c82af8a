// What most read requests have in common: limits, search parameters, selectors, orders.
#pragma once

#include <optional>
#include <string>

#include "engine/query.h"
#include "http/json_reader.h"

namespace almagest {

inline constexpr uint32_t kBeamWidthMax = 65'536;  // hnsw_ef

// with_payload and with_vector (or with_vectors) of `body`; the defaults when absent.
Result<PayloadSelector> FindPayloadSelector(const JsonValue& body, PayloadSelector::Mode otherwise);
Result<VectorSelector> FindVectorSelector(const JsonValue& body);

// "" when absent.
Result<std::string> FindUsing(const JsonValue& value);
// `params`. 400 for what this server does not have (named), 422 for hnsw_ef or
// adapter_version out of range.
Result<SearchParams> FindSearchParams(const JsonValue& body);
// From 1 up (422); kQueryLimitDefault when absent.
Result<uint64_t> FindLimit(const JsonValue& body, std::string_view key);
// 0 when absent.
Result<uint64_t> FindOffset(const JsonValue& body);
// Rounded to a 32-bit float, as scores are: a score that was answered can be asked for again.
Result<std::optional<double>> FindScoreThreshold(const JsonValue& body);
// A key, or {key, direction, start_from}.
Result<OrderByQuery> ParseOrderBy(const JsonValue& value);
// {collection, vector}
Result<std::optional<LookupFrom>> FindLookupFrom(const JsonValue& body);

}  // namespace almagest
