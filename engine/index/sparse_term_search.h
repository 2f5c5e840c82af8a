// Exact top-k over a sealed sparse index for queries with few postings, as BM25 makes them: the
// postings of rare terms are all added up, term at a time; frequent terms are only looked at where
// these sums and the block maxima leave a chance.
// Source: MaxScore (Turtle & Flood 1995) with block maxima for the terms that are not added up.
#pragma once

#include <vector>

#include "engine/index/sparse_query_terms.h"

namespace almagest {

// Which terms are added up. Keep one per thread: holds on to its memory.
struct SparseTermSplit {
  std::vector<SparseQueryTerm> added;
  std::vector<SparseQueryTerm> rest;  // All dense.
  size_t additions = 0;               // Postings of the added ones.
  size_t rest_postings = 0;
  double rest_share = 0.0;  // Of what all terms could give a row, what the rest could.

  // False if the query cannot be searched for in this way: a weight is 0 or less, extreme weights,
  // too many postings or terms.
  bool Choose(const SparseQueryTerms& terms, uint32_t row_count);
  // Whether it is the quicker way. Always the same for a query.
  bool IsPreferred(uint32_t row_count) const;
};

// As SparseIndex::Search, by terms that `split` chose.
Result<std::vector<ScoredRow>> SearchByTerms(const SparseIndex::Arrays& arrays,
                                             const SparseQuery& query,
                                             const SparseQueryTerms& terms,
                                             const SparseTermSplit& split);

}  // namespace almagest
