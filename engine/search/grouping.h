// Answers grouped by a payload key: the best hits of each value, groups in the order of their best
// hit.
#pragma once

#include <string>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"

namespace almagest {

inline constexpr uint64_t kGroupSizeDefault = 3;

struct GroupRequest {
  QueryRequest query;    // The root's limit is the number of groups; no offset.
  std::string group_by;  // Points without a string or whole number there are left out.
  uint64_t group_size = kGroupSizeDefault;
};

struct HitGroup {
  MatchScalar id;  // A string or a whole number.
  std::vector<Hit> hits;
};

// A point with several values is in several groups. Runs the query with growing limits until the
// groups are full or there are no more hits, so that groups are as complete as the query is exact.
// Errors: those of ExecuteQuery, kInvalidArgument (a bad path).
Result<std::vector<HitGroup>> ExecuteGroups(const Collection& collection,
                                            const GroupRequest& request);

}  // namespace almagest
