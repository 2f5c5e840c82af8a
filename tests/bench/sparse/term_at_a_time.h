// The baseline of `almagest-bench sparse`: exhaustive search, term at a time.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/index/top_k.h"
#include "tests/bench/sparse/sparse_data.h"

namespace almagest::bench {

// Posting lists of (row, weight), an accumulator per row, a heap of k. Scores are sums in double by
// ascending term, rounded to float: the engine's definition, so that results can be compared to the
// last bit.
class TermAtATime {
 public:
  explicit TermAtATime(const SparseRows& documents);
  // Score descending, ties by smaller row; only rows that share a term with the query, whose
  // weights have to be positive.
  std::vector<ScoredRow> Search(const SparseView& query, size_t k);
  // Of the lists; the accumulators are not counted.
  size_t bytes() const;
  // Postings that Search would add up.
  uint64_t CountPostings(const SparseView& query) const;

 private:
  std::span<const uint32_t> ListOf(uint32_t term, std::span<const float>* weights) const;

  std::unordered_map<uint32_t, uint32_t> numbers_;
  std::vector<size_t> first_;
  std::vector<uint32_t> rows_;
  std::vector<float> weights_;
  std::vector<double> sums_;  // All zero between searches.
};

}  // namespace almagest::bench
