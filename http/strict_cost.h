// What an operation counts for under strict mode's rate limits, as in Qdrant.
#pragma once

#include <cstdint>

#include "engine/collection/collection.h"
#include "http/json_reader.h"

namespace almagest {

// A query, and each of its prefetches, counts one and one more per condition of its filter; points
// asked for by their ids count one each; the searches of a batch count together. At least 1.
uint64_t ReadCost(const JsonValue& body);

// Each point that is named or that the filter matches counts one; the operations of a batch count
// together. At least 1. Cost: filters are answered to know how many points they match.
uint64_t WriteCost(const JsonValue& body, const Collection& collection);

}  // namespace almagest
