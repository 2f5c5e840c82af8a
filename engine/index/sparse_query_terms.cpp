#include "engine/index/sparse_query_terms.h"

#include <string>

#include "engine/index/sparse_term_finder.h"

namespace almagest {
namespace {

bool IsInside(const SparseList& list, const SparseIndex::Arrays& arrays) {
  const uint64_t chunks = ChunkCount(arrays.meta.row_count);
  const auto fits = [&](uint64_t number, uint64_t size, uint64_t array_size) {
    return (number + 1) * size <= array_size;
  };
  if (list.directory != kNoNumber && !fits(list.directory, chunks, arrays.directories.size())) {
    return false;
  }
  const bool is_listed = list.dense_number == kNoNumber;
  const uint64_t postings =
      is_listed ? arrays.listed_postings.size() : arrays.dense_postings.size() / kDensePostingBytes;
  if (list.posting_count > postings || list.first > postings - list.posting_count) return false;
  return is_listed || (list.directory != kNoNumber &&
                       fits(list.dense_number, chunks * kBlocksPerChunk, arrays.maxima.size()));
}

}  // namespace

Result<> SparseQueryTerms::Find(const SparseIndex::Arrays& arrays, const SparseView& query) {
  terms.clear();
  only_positive = true;
  const SparseTermFinder finder(arrays.terms);
  numbers_.resize(query.terms.size());
  for (size_t i = 0; i < numbers_.size(); ++i) numbers_[i] = finder.Guess(query.terms[i]);
  for (size_t i = 0; i < numbers_.size(); ++i) {
    numbers_[i] = finder.Correct(query.terms[i], numbers_[i]);
  }
  for (size_t i = 0; i < numbers_.size(); ++i) {
    numbers_[i] = finder.Find(query.terms[i], numbers_[i]);
    if (numbers_[i] < arrays.lists.size()) __builtin_prefetch(arrays.lists.data() + numbers_[i]);
  }
  for (size_t i = 0; i < query.terms.size(); ++i) {
    const size_t number = numbers_[i];
    if (number == arrays.terms.size()) continue;
    const SparseList& list = arrays.lists[number];
    if (!IsInside(list, arrays)) {
      return Fail(ErrorCode::kCorruption, "a sparse index has a damaged posting list of term " +
                                              std::to_string(query.terms[i]));
    }
    terms.push_back({list, query.weights[i], 0.0f});
    if (terms.back().is_listed()) {
      __builtin_prefetch(arrays.listed_postings.data() + list.first);
      __builtin_prefetch(arrays.listed_postings.data() + list.first + list.posting_count / 2);
    }
    only_positive = only_positive && query.weights[i] > 0.0f && list.weight_min > 0.0f;
  }
  return {};
}

}  // namespace almagest
