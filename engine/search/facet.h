// Which values an indexed payload key has, and how often.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"

namespace almagest {

struct FacetRequest {
  std::string key;  // Needs a keyword, integer, bool or uuid index.
  std::optional<Filter> filter;
  uint64_t limit = kQueryLimitDefault;
  Deadline deadline;
};

struct FacetCount {
  MatchScalar value;
  uint64_t count = 0;  // Points that have the value.
};

// The most frequent values first, equal counts by value. Exact. Values of another type than the
// index's do not count. kBadRequest without a fitting index. Cost: reads the payloads of matching
// points that have the key, about 4 us each.
Result<std::vector<FacetCount>> CountValues(const Collection& collection,
                                            const FacetRequest& request);

}  // namespace almagest
