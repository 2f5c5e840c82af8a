// An immutable inverted index over sparse vectors with exact top-k by dot product, used where it
// is mapped. score(row) = sum over the terms in both query and row of query weight * row weight,
// added up in double, terms ascending, then rounded to float: the same bits on every path.
// A row is a hit if it shares a term with the query, whatever the score.
//
// Source: block-max pruning (Mallia, Suel & Tonellotto, SIGIR 2024) over rows ordered by recursive
// graph bisection (Dhulipala et al., KDD 2016). Bounds are added up for all blocks of 32 rows;
// blocks that cannot enter the result are not looked at, the others are scored exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/index/row_filter.h"
#include "engine/index/section_file.h"
#include "engine/index/section_writer.h"
#include "engine/index/sparse_layout.h"
#include "engine/index/sparse_vector.h"
#include "engine/index/top_k.h"
#include "storage/base/result.h"

namespace almagest {

// How a sealed index goes through a query's postings. Results are the same.
enum class SparsePlan {
  kChosen,  // By what the query's frequent terms weigh.
  kTerms,   // sparse_term_search.h, where its conditions hold.
  kBlocks,  // sparse_bounds.h and sparse_blocks.h.
};

struct SparseQuery {
  SparseView query;  // Has to be valid (ValidateSparse); kInvalidArgument otherwise.
  size_t k = 10;
  RowFilter filter;
  CancelCheck cancel;
  SparsePlan plan = SparsePlan::kChosen;  // Another one for tests and measurements.
};

// A view; borrows its arrays. Cheap to copy, thread-safe.
class SparseIndex {
 public:
  SparseIndex() = default;

  struct Arrays {  // sparse_layout.h
    SparseMeta meta;
    std::span<const uint32_t> terms;    // Strictly ascending.
    std::span<const SparseList> lists;  // One per term.
    std::span<const SparsePosting> listed_postings;
    std::span<const uint8_t> dense_postings;
    std::span<const uint8_t> maxima;        // Per dense term: chunks * 64.
    std::span<const uint16_t> starts;       // Per dense term: chunks * 64.
    std::span<const uint32_t> directories;  // Per directory: chunks.
    std::span<const uint32_t> row_of;       // By position; empty: rows are positions.
    std::span<const uint32_t> position_of;  // By row; empty likewise.
  };

  // Views the sections `prefix`.meta, .terms, .lists, ... of `file`. Checks that the arrays' sizes
  // agree, nothing else: O(1). Content is checked where a search uses it, so that damaged bytes
  // (found by their checksum, not here) lead to wrong hits or kCorruption, never outside of the
  // arrays. kCorruption with the reason.
  static Result<SparseIndex> Open(const SectionFile& file, std::string_view prefix);
  static Result<SparseIndex> FromArrays(const Arrays& arrays);

  // Adds the sections that Open reads. `prefix` of at most 24 bytes.
  Result<> Write(SectionWriter& writer, std::string_view prefix) const;

  // At most k rows, score descending, ties by smaller row. Exact.
  // Errors: kInvalidArgument (query), kTimeout, kCorruption.
  Result<std::vector<ScoredRow>> Search(const SparseQuery& query) const;

  // Rows that have the term (its document frequency), dead ones included. O(log terms).
  uint32_t PostingCount(uint32_t term) const;

  std::span<const uint32_t> terms() const { return arrays_.terms; }
  uint32_t row_count() const { return arrays_.meta.row_count; }
  uint64_t posting_count() const { return arrays_.meta.posting_count; }
  // Of all arrays.
  size_t bytes() const;
  // The number of the term, or terms().size() if it is not there. A few steps where terms are
  // hashes or numbered through, O(log terms) at worst.
  size_t FindTerm(uint32_t term) const;

 private:
  Arrays arrays_;
};

// The same arrays owned: what SparseIndexBuilder makes.
struct SparseIndexArrays {
  SparseMeta meta;
  std::vector<uint32_t> terms;
  std::vector<SparseList> lists;
  std::vector<SparsePosting> listed_postings;
  std::vector<uint8_t> dense_postings;
  std::vector<uint8_t> maxima;
  std::vector<uint16_t> starts;
  std::vector<uint32_t> directories;
  std::vector<uint32_t> row_of;
  std::vector<uint32_t> position_of;

  // Valid while this lives and is not changed.
  SparseIndex View() const;
};

// Collects rows, then orders them and makes the lists. Memory while building: 8 bytes a posting,
// in Finish about 24. Time of Finish: 10 to 15 s for 500,000 rows of 120 terms, mostly the order.
class SparseIndexBuilder {
 public:
  struct Options {
    uint32_t ordered_rows_min = 4 * kRowsPerChunk;  // Fewer rows keep their order.
  };
  SparseIndexBuilder() = default;
  explicit SparseIndexBuilder(const Options& options) : options_(options) {}

  // Rows in ascending order; rows without a vector are left out.
  // kInvalidArgument, and nothing is added, if the vector is not valid, or the row not larger than
  // the one before or not less than kSparseRowsMax.
  Result<> Add(uint32_t row, const SparseView& vector);
  // `row_count` larger than every row added. Leaves the builder empty.
  SparseIndexArrays Finish(uint32_t row_count);

 private:
  Options options_;
  std::vector<uint32_t> rows_;     // Added ones.
  std::vector<uint64_t> firsts_;   // Their first postings.
  std::vector<uint32_t> numbers_;  // Of the postings' terms, by first appearance.
  std::vector<float> weights_;
  std::unordered_map<uint32_t, uint32_t> number_of_;
};

}  // namespace almagest
