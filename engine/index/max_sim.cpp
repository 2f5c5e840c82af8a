#include "engine/index/max_sim.h"

#include <algorithm>
#include <limits>

#include "engine/index/max_sim_kernels.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

// Fewer query rows leave most of a packed block empty: rows are then compared pair by pair.
constexpr size_t kPackedRowsMin = 7;
// Short rows too, whose sums have an order of their own (distance_kernels.cpp).
constexpr size_t kPackedDimensionMin = 16;

std::vector<float> Pack(std::span<const float> query, size_t dimension) {
  const size_t block_rows = MaxSimBlockRows();
  const size_t rows = query.size() / dimension;
  std::vector<float> packed((rows + block_rows - 1) / block_rows * block_rows * dimension);
  for (size_t row = 0; row < rows; ++row) {
    float* block = packed.data() + row / block_rows * block_rows * dimension;
    for (size_t i = 0; i < dimension; ++i) {
      block[i * block_rows + row % block_rows] = query[row * dimension + i];
    }
  }
  return packed;
}

}  // namespace

MaxSim::MaxSim(Metric metric, std::span<const float> query, size_t dimension)
    : metric_(metric),
      query_rows_(query.size() / dimension),
      dimension_(dimension),
      packed_(query_rows_ >= kPackedRowsMin && dimension >= kPackedDimensionMin) {
  ALMAGEST_CHECK(query_rows_ > 0 && query_rows_ * dimension == query.size());
  if (!packed_) {
    query_.assign(query.begin(), query.end());
  } else {
    query_ = Pack(query, dimension);
  }
}

float MaxSim::Score(std::span<const float> document) const {
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  const size_t count = document.size() / dimension_;
  if (count == 0) return kLowest;
  float score = 0.0f;
  if (packed_) {
    score = MaxSimOfPacked(metric_, query_.data(), query_rows_, dimension_, document.data(), count);
  } else {
    const DistanceKernels& kernels = KernelsFor(metric_);
    for (size_t row = 0; row < query_rows_; ++row) {
      const float* query = query_.data() + row * dimension_;
      float best = kLowest;
      for (size_t i = 0; i < count; ++i) {
        best = std::max(best, kernels.pair(query, document.data() + i * dimension_, dimension_));
      }
      score += best;
    }
  }
  return score == score ? score : kLowest;
}

}  // namespace almagest
