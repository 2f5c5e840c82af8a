// An immutable inverted index over sparse vectors with exact top-k by dot product, used where it
// is mapped. score(row) = sum over the terms in both query and row of query weight * row weight,
// added up in double, terms ascending, then rounded to float: the same bits on every path.
// A row is a hit if it shares a term with the query, whatever the score.
//
// Source of the pruning: MaxScore (Turtle & Flood 1995) with the block maxima of Ding & Suel
// (SIGIR 2011). Negative weights make upper bounds of partial sums useless; then every posting of
// the query's terms is added up instead, as it is for queries of many terms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/index/row_filter.h"
#include "engine/index/section_file.h"
#include "engine/index/section_writer.h"
#include "engine/index/sparse_vector.h"
#include "engine/index/top_k.h"
#include "storage/base/result.h"

namespace almagest {

inline constexpr uint32_t kPostingsPerBlock = 128;

struct SparseQuery {
  SparseView query;  // Has to be valid (ValidateSparse); kInvalidArgument otherwise.
  size_t k = 10;
  RowFilter filter;
  CancelCheck cancel;
};

// Stored as it is: what is known of up to 128 consecutive postings of one term.
struct PostingBlock {
  uint32_t last_row = 0;
  float weight_max = 0.0f;
  float weight_min = 0.0f;
};

// Stored as it is.
struct SparseMeta {
  uint32_t row_count = 0;  // Rows of the segment, those without terms included.
  uint32_t term_count = 0;
  uint64_t posting_count = 0;
};

// The postings of one term: rows strictly ascending, a weight each, a block per 128 of them.
struct PostingListView {
  std::span<const uint32_t> rows;
  std::span<const float> weights;
  std::span<const PostingBlock> blocks;
};

// A view; borrows its arrays. Cheap to copy, thread-safe.
class SparseIndex {
 public:
  SparseIndex() = default;

  struct Arrays {
    SparseMeta meta;
    std::span<const uint32_t> terms;           // Strictly ascending.
    std::span<const uint64_t> postings_first;  // term_count + 1; list t is [first[t], first[t+1]).
    std::span<const uint32_t> blocks_first;    // term_count + 1, the same for blocks.
    std::span<const PostingBlock> blocks;
    std::span<const uint32_t> rows;
    std::span<const float> weights;
  };

  // Views the sections `prefix`.meta, .terms, .postings, .blocks_first, .blocks, .rows, .weights.
  // Checks every invariant, so that damaged or hostile bytes cannot lead outside of the arrays or
  // to wrong pruning: O(postings). kCorruption with the reason.
  static Result<SparseIndex> Open(const SectionFile& file, std::string_view prefix);
  static Result<SparseIndex> FromArrays(const Arrays& arrays);

  // Adds the sections that Open reads. `prefix` of at most 24 bytes.
  Result<> Write(SectionWriter& writer, std::string_view prefix) const;

  // At most k rows, score descending, ties by smaller row. Exact.
  // Errors: kInvalidArgument (query), kTimeout.
  Result<std::vector<ScoredRow>> Search(const SparseQuery& query) const;

  // Rows that have the term (its document frequency), dead ones included. O(log terms).
  uint32_t PostingCount(uint32_t term) const;

  // Iteration: terms()[i] has the postings of Postings(i), i < terms().size().
  std::span<const uint32_t> terms() const { return arrays_.terms; }
  PostingListView Postings(size_t term_number) const;
  uint32_t row_count() const { return arrays_.meta.row_count; }
  uint64_t posting_count() const { return arrays_.meta.posting_count; }
  // The number of the term, or terms().size() if it is not there.
  size_t FindTerm(uint32_t term) const;

 private:
  Arrays arrays_;
};

// The same arrays owned: what SparseIndexBuilder makes.
struct SparseIndexArrays {
  SparseMeta meta;
  std::vector<uint32_t> terms;
  std::vector<uint64_t> postings_first;
  std::vector<uint32_t> blocks_first;
  std::vector<PostingBlock> blocks;
  std::vector<uint32_t> rows;
  std::vector<float> weights;

  // Valid while this lives and is not changed.
  SparseIndex View() const;
};

// Collects rows, then sorts their postings by term. 16 bytes a posting while building.
class SparseIndexBuilder {
 public:
  // Rows in ascending order; rows without a vector are left out.
  // kInvalidArgument, and nothing is added, if the vector is not valid or the row not larger than
  // the one before.
  Result<> Add(uint32_t row, const SparseView& vector);
  // `row_count` larger than every row added. Leaves the builder empty.
  SparseIndexArrays Finish(uint32_t row_count);

 private:
  struct Posting {
    uint32_t term;
    uint32_t row;
    float weight;
  };
  std::vector<Posting> postings_;
  uint64_t next_row_ = 0;
};

}  // namespace almagest
