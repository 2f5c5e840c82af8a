#include "training/query_split.h"

#include <algorithm>

#include "storage/base/checksum.h"
#include "training/disjoint_sets.h"

namespace almagest::training {
QuerySplit SplitQueries(size_t query_count,
                        std::span<const std::pair<int32_t, int32_t>> near_identical,
                        double validation_fraction, double held_out_fraction, uint64_t seed) {
  DisjointSets sets(query_count);
  for (const auto& [a, b] : near_identical) sets.Join(a, b);
  QuerySplit split;
  std::vector<std::vector<size_t>> members(query_count);
  for (size_t i = 0; i < query_count; ++i) {
    split.group.push_back(sets.Representative(static_cast<int32_t>(i)));
    members[static_cast<size_t>(split.group.back())].push_back(i);
  }
  std::vector<size_t> order;
  for (size_t i = 0; i < query_count; ++i) {
    if (!members[i].empty()) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::pair(Mix64(seed ^ Mix64(a)), a) < std::pair(Mix64(seed ^ Mix64(b)), b);
  });
  const auto quota = [&](double fraction) {
    return static_cast<size_t>(fraction * static_cast<double>(query_count) + 0.5);
  };
  const size_t held_out_quota = quota(held_out_fraction);
  const size_t validation_quota = quota(validation_fraction);
  for (const size_t group : order) {
    const size_t size = members[group].size();
    std::vector<size_t>* set = &split.train;
    if (split.held_out.size() + size <= held_out_quota) {
      set = &split.held_out;
    } else if (split.validation.size() + size <= validation_quota) {
      set = &split.validation;
    }
    set->insert(set->end(), members[group].begin(), members[group].end());
  }
  std::sort(split.train.begin(), split.train.end());
  std::sort(split.validation.begin(), split.validation.end());
  std::sort(split.held_out.begin(), split.held_out.end());
  return split;
}

}  // namespace almagest::training
