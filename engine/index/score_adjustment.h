// A linear correction of dot-product scores by row, which is what makes scores of rows that were
// encoded by different adapter versions comparable:
//   score(row) = dot(query, row) * scale[row] + offset[row] * offset_factor
// A document map x -> Wx / |Wx| folds into the query as W^T q, and scale[row] = 1 / |W x_row|
// remains; a bias adds the offset term, whose query part is offset_factor.
#pragma once

#include <cstdint>
#include <limits>

namespace almagest {

// Null arrays mean: scale 1, offset 0. Borrowed; at least as long as the rows searched; finite.
// Only valid with Metric::kDot: every search checks that (ALMAGEST_CHECK).
struct ScoreAdjustment {
  const float* scale = nullptr;
  const float* offset = nullptr;
  float offset_factor = 0.0f;

  bool active() const { return scale != nullptr || offset != nullptr; }

  float Apply(uint32_t row, float score) const {
    if (scale != nullptr) score *= scale[row];
    if (offset != nullptr) score += offset[row] * offset_factor;
    return score == score ? score : -std::numeric_limits<float>::infinity();
  }
};

}  // namespace almagest
