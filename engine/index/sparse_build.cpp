// Making sealed sparse indexes: validation of vectors and the builder.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "engine/index/sparse_index.h"
#include "engine/index/sparse_vector.h"
#include "storage/base/check.h"

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

Result<> SparseIndexBuilder::Add(uint32_t row, const SparseView& vector) {
  ALMAGEST_TRY_VOID(ValidateSparse(vector));
  if (row < next_row_) {
    return Fail(ErrorCode::kInvalidArgument,
                "row " + std::to_string(row) + " was added after a row as large");
  }
  next_row_ = uint64_t{row} + 1;
  for (size_t i = 0; i < vector.terms.size(); ++i) {
    postings_.push_back({vector.terms[i], row, vector.weights[i]});
  }
  return {};
}

SparseIndexArrays SparseIndexBuilder::Finish(uint32_t row_count) {
  ALMAGEST_CHECK(next_row_ <= row_count);
  std::sort(postings_.begin(), postings_.end(), [](const Posting& a, const Posting& b) {
    return std::pair(a.term, a.row) < std::pair(b.term, b.row);
  });
  SparseIndexArrays out;
  out.rows.reserve(postings_.size());
  out.weights.reserve(postings_.size());
  for (size_t i = 0; i < postings_.size(); ++i) {
    const Posting& posting = postings_[i];
    if (out.terms.empty() || posting.term != out.terms.back()) {
      out.terms.push_back(posting.term);
      out.postings_first.push_back(i);
      out.blocks_first.push_back(static_cast<uint32_t>(out.blocks.size()));
    }
    if ((i - out.postings_first.back()) % kPostingsPerBlock == 0) {
      out.blocks.push_back({posting.row, posting.weight, posting.weight});
    }
    PostingBlock& block = out.blocks.back();
    block.last_row = posting.row;
    block.weight_max = std::max(block.weight_max, posting.weight);
    block.weight_min = std::min(block.weight_min, posting.weight);
    out.rows.push_back(posting.row);
    out.weights.push_back(posting.weight);
  }
  out.postings_first.push_back(postings_.size());
  out.blocks_first.push_back(static_cast<uint32_t>(out.blocks.size()));
  out.meta = {row_count, static_cast<uint32_t>(out.terms.size()), postings_.size()};
  postings_ = {};
  next_row_ = 0;
  return out;
}

}  // namespace almagest
