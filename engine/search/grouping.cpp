#include "engine/search/grouping.h"

#include <algorithm>
#include <map>

#include "engine/payload/payload_values.h"
#include "engine/search/query_executor.h"

namespace almagest {
namespace {

constexpr uint64_t kFirstLimitMin = 64;
constexpr uint64_t kLimitGrowth = 4;

// The groups of these hits: at most `limit`, of at most `group_size` hits each.
Result<std::vector<HitGroup>> Group(const std::vector<Hit>& hits, const PayloadPath& path,
                                    uint64_t limit, uint64_t group_size) {
  std::vector<HitGroup> groups;
  std::map<MatchScalar, size_t> positions;
  for (const Hit& hit : hits) {
    ALMAGEST_TRY(const auto values, ScalarsAt(hit.payload.value_or("{}"), path));
    for (const MatchScalar& value : values) {
      if (std::holds_alternative<bool>(value)) continue;
      auto found = positions.find(value);
      if (found == positions.end()) {
        if (groups.size() == limit) continue;
        found = positions.emplace(value, groups.size()).first;
        groups.push_back({value, {}});
      }
      std::vector<Hit>& members = groups[found->second].hits;
      if (members.size() < group_size) members.push_back(hit);
    }
  }
  return groups;
}

bool AreFull(const std::vector<HitGroup>& groups, uint64_t limit, uint64_t group_size) {
  return groups.size() == limit && std::ranges::all_of(groups, [&](const HitGroup& group) {
           return group.hits.size() == group_size;
         });
}

// Payloads and vectors as they were asked for; a point deleted meanwhile keeps none.
Result<> Complete(const Collection& collection, const QueryRequest& request,
                  std::vector<HitGroup>& groups) {
  for (HitGroup& group : groups) {
    std::vector<PointId> ids;
    for (const Hit& hit : group.hits) ids.push_back(hit.id);
    ALMAGEST_TRY(auto found, Retrieve(collection, ids, request.with_payload, request.with_vector));
    std::vector<Hit> complete;
    size_t next = 0;
    for (const Hit& hit : group.hits) {
      if (next == found.size() || found[next].id != hit.id) continue;
      found[next].score = hit.score;
      complete.push_back(std::move(found[next++]));
    }
    group.hits = std::move(complete);
  }
  std::erase_if(groups, [](const HitGroup& group) { return group.hits.empty(); });
  return {};
}

}  // namespace

Result<std::vector<HitGroup>> ExecuteGroups(const Collection& collection,
                                            const GroupRequest& request) {
  ALMAGEST_TRY(const PayloadPath path, PayloadPath::Parse(request.group_by));
  const uint64_t points = collection.point_count();
  const uint64_t limit = std::min(request.query.root.limit, points);
  const uint64_t group_size = std::min(request.group_size, std::max<uint64_t>(points, 1));
  if (limit == 0) return std::vector<HitGroup>();
  QueryRequest query = request.query;
  query.offset = 0;
  query.with_vector = {};
  query.with_payload = {PayloadSelector::Mode::kAll, {}};
  Filter filter;
  if (query.root.filter) {
    filter.must.push_back(
        FilterCondition{std::make_shared<const Filter>(*std::move(query.root.filter))});
  }
  filter.must_not.push_back(IsEmptyCondition{request.group_by});
  query.root.filter = std::move(filter);
  // 32-bit slots keep the product far from overflow.
  query.root.limit = std::max(kFirstLimitMin, std::min(limit * group_size, points) * 2);
  while (true) {
    ALMAGEST_TRY(const auto hits, ExecuteQuery(collection, query));
    ALMAGEST_TRY(auto groups, Group(hits, path, limit, group_size));
    if (hits.size() < query.root.limit || AreFull(groups, limit, group_size)) {
      ALMAGEST_TRY_VOID(Complete(collection, request.query, groups));
      return groups;
    }
    query.root.limit *= kLimitGrowth;
  }
}

}  // namespace almagest
