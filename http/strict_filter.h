// Filters under strict mode: how large they may be, and which keys need an index.
#pragma once

#include "engine/config.h"
#include "engine/payload/filter.h"

namespace almagest {

// A limit of strict mode was passed: 400 "Bad request: what. Help: solution".
Error StrictModeError(const std::string& what, const std::string& solution);

// filter_max_conditions (of the leaves), condition_max_size (of the longest list) and, with
// `indexed_only`, an index for every key of a type that serves its condition.
Result<> CheckStrictFilter(const Filter& filter, const CollectionConfig& config, bool indexed_only);

// The leaves of a filter, as filter_max_conditions counts them.
size_t ConditionCount(const Filter& filter);

// A key to group by needs an index that serves `match`.
Result<> CheckStrictGrouping(const std::string& key, const CollectionConfig& config);

}  // namespace almagest
