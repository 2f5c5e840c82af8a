// Top-k over posting lists by adding up every posting: right for any weights, and the definition
// that the pruned search has to agree with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/index/row_filter.h"
#include "engine/index/top_k.h"
#include "storage/base/result.h"

namespace almagest {

// The postings of one query term, rows strictly ascending.
struct WeightedPostings {
  float query_weight = 0.0f;
  std::span<const uint32_t> rows;
  std::span<const float> weights;
};

// `lists` by ascending term. Errors: kTimeout. Cost: O(postings), 70 KB of scratch per thread.
Result<std::vector<ScoredRow>> AccumulateTopK(std::span<const WeightedPostings> lists, size_t k,
                                              const RowFilter& filter, const CancelCheck& cancel);

}  // namespace almagest
