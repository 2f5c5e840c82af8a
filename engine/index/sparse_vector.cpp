#include "engine/index/sparse_vector.h"

#include <cmath>
#include <string>

namespace almagest {

Result<> ValidateSparse(const SparseView& vector) {
  if (vector.terms.size() != vector.weights.size()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a sparse vector has " + std::to_string(vector.terms.size()) + " indices but " +
                    std::to_string(vector.weights.size()) + " values");
  }
  for (size_t i = 0; i < vector.terms.size(); ++i) {
    if (i > 0 && vector.terms[i] <= vector.terms[i - 1]) {
      return Fail(ErrorCode::kInvalidArgument, "the sparse index " +
                                                   std::to_string(vector.terms[i]) +
                                                   " does not come after the one before it");
    }
    if (!std::isfinite(vector.weights[i])) {
      return Fail(
          ErrorCode::kInvalidArgument,
          "the value of the sparse index " + std::to_string(vector.terms[i]) + " is not finite");
    }
  }
  return {};
}

}  // namespace almagest
