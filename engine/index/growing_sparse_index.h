// An inverted index in memory that rows are appended to: the sparse half of a growing segment.
// Scores and hits are defined as in sparse_index.h, to the last bit.
#pragma once

#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <vector>

#include "engine/index/sparse_index.h"
#include "engine/index/sparse_vector.h"
#include "engine/index/top_k.h"
#include "storage/base/result.h"

namespace almagest {

// Thread safety: one writer, any number of readers, at any time (a shared mutex inside). A row is
// seen with all of its terms or not at all.
class GrowingSparseIndex {
 public:
  // Rows in ascending order; rows without a vector are left out.
  // kInvalidArgument, and nothing is added, if the vector is not valid or the row not larger than
  // the one before.
  Result<> Append(uint32_t row, const SparseView& vector);

  // At most k rows, score descending, ties by smaller row. Exact; adds up every posting of the
  // query's terms. Rows appended after the search began may be hits: filter.row_limit keeps to a
  // snapshot. Errors: kInvalidArgument (query), kTimeout.
  Result<std::vector<ScoredRow>> Search(const SparseQuery& query) const;

  // Rows that have the term, dead ones included.
  uint32_t PostingCount(uint32_t term) const;
  // Calls visit(term, posting count) for every term, in no order. Appends wait meanwhile.
  template <class Visit>
  void ForEachTerm(Visit visit) const {
    const std::shared_lock lock = LockToRead();
    for (const auto& [term, list] : lists_) visit(term, static_cast<uint32_t>(list.rows.size()));
  }
  uint64_t posting_count() const;

 private:
  struct PostingList {
    std::vector<uint32_t> rows;
    std::vector<float> weights;
  };
  std::shared_lock<std::shared_mutex> LockToRead() const;

  // The system's shared mutex prefers readers; a writer that waits holds the gate, so that searches
  // coming one after another cannot keep it out for ever.
  mutable std::mutex gate_;
  mutable std::shared_mutex mutex_;
  std::unordered_map<uint32_t, PostingList> lists_;
  uint64_t posting_count_ = 0;
  uint64_t next_row_ = 0;
};

}  // namespace almagest
