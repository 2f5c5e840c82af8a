// Sparse vectors as the indexes see them: ascending terms with weights, borrowed.
#pragma once

#include <cstdint>
#include <span>

#include "storage/base/result.h"

namespace almagest {

struct SparseView {
  std::span<const uint32_t> terms;  // Strictly ascending.
  std::span<const float> weights;   // As many, finite; may be negative or zero.
};

// kInvalidArgument, naming the place, if `vector` is not as described above. O(terms).
Result<> ValidateSparse(const SparseView& vector);

}  // namespace almagest
