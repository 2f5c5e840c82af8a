// The non-linear part U h(x) of an adapter's query side (storage/base/residual_tensors.h has the
// formulas). Documents never go through one: their side stays affine, so that versions can be
// searched by each other exactly (linear_map.h).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "storage/base/residual_tensors.h"
#include "storage/base/result.h"

namespace almagest {

// Immutable, so thread-safe.
class QueryResidual {
 public:
  // As ReadResidual gives them: of `dimensions` D, finite, hidden not 0. Sizes are checked.
  QueryResidual(size_t dimensions, ResidualTensors tensors);

  // y += U h(x), both of D values, which must not overlap. By plain kernels on the calling thread,
  // for one query: 2 D (2 H + E) flops. What is added to a query is the same bits each time.
  void AddTo(std::span<const float> x, std::span<float> y) const;

  const ResidualTensors& tensors() const { return tensors_; }
  size_t bytes() const;  // Of its tensors.

 private:
  void WeighByExperts(std::span<const float> x, std::span<float> hidden) const;

  size_t dimensions_;
  ResidualTensors tensors_;
};

}  // namespace almagest
