#include "engine/index/growing_sparse_index.h"

#include <string>

#include "engine/index/sparse_accumulate.h"

namespace almagest {

std::shared_lock<std::shared_mutex> GrowingSparseIndex::LockToRead() const {
  const std::lock_guard gate(gate_);
  return std::shared_lock(mutex_);
}

Result<> GrowingSparseIndex::Append(uint32_t row, const SparseView& vector) {
  ALMAGEST_TRY_VOID(ValidateSparse(vector));
  const std::lock_guard gate(gate_);
  const std::unique_lock lock(mutex_);
  if (row < next_row_) {
    return Fail(ErrorCode::kInvalidArgument,
                "row " + std::to_string(row) + " was appended after a row as large");
  }
  next_row_ = uint64_t{row} + 1;
  for (size_t i = 0; i < vector.terms.size(); ++i) {
    PostingList& list = lists_[vector.terms[i]];
    list.rows.push_back(row);
    list.weights.push_back(vector.weights[i]);
  }
  posting_count_ += vector.terms.size();
  return {};
}

Result<std::vector<ScoredRow>> GrowingSparseIndex::Search(const SparseQuery& query) const {
  ALMAGEST_TRY_VOID(ValidateSparse(query.query));
  const std::shared_lock lock = LockToRead();
  std::vector<WeightedPostings> lists;
  for (size_t i = 0; i < query.query.terms.size(); ++i) {
    const auto found = lists_.find(query.query.terms[i]);
    if (found == lists_.end()) continue;
    lists.push_back({query.query.weights[i], found->second.rows, found->second.weights});
  }
  return AccumulateTopK(lists, query.k, query.filter, query.cancel);
}

uint32_t GrowingSparseIndex::PostingCount(uint32_t term) const {
  const std::shared_lock lock = LockToRead();
  const auto found = lists_.find(term);
  return found == lists_.end() ? 0 : static_cast<uint32_t>(found->second.rows.size());
}

uint64_t GrowingSparseIndex::posting_count() const {
  const std::shared_lock lock = LockToRead();
  return posting_count_;
}

}  // namespace almagest
