// The postings of a query's terms in chosen blocks, added up: the second half of a sparse search.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/index/sparse_bounds.h"
#include "engine/index/sparse_index.h"

namespace almagest {

inline constexpr size_t kBlocksPerBatchMax = 256;

// Keep one per thread: holds on to its memory. Start before each search.
class SparseBlocks {
 public:
  void Start(const SparseIndex::Arrays& arrays, const SparseBounds& bounds);

  // Chooses the blocks that the calls below are about: ascending, at most kBlocksPerBatchMax.
  // Call Release when done with them.
  void Choose(std::span<const uint32_t> blocks);
  void Release();

  // Drops blocks in which no row can reach `score` (> 0): looks at the heaviest terms first and
  // compares what rows have got with what their block's bound promised. The chosen blocks shrink.
  void Narrow(float score);

  // Adds up the terms in ascending order, which is what defines a score to the last bit.
  // `with_marks`: also RowsWithTerms.
  void AddAll(bool with_marks);
  // After AddAll, of the chosen block with this number.
  const double* SumsOf(size_t number) const { return sums_.data() + number * kRowsPerBlock; }
  // Bit i set: row i of the block has a term of the query.
  uint32_t RowsWithTerms(size_t number) const { return rows_with_terms_[number]; }

  std::span<const uint32_t> chosen() const { return blocks_; }

 private:
  // The postings of a dense term in one chosen block.
  struct Piece {
    const uint8_t* postings = nullptr;
    uint32_t count = 0;
    uint32_t slot = 0;  // Number of the chosen block.
  };
  using Pieces = std::vector<Piece>;

  // Makes the pieces of a dense term, whose postings are then on their way to the cache.
  void Prepare(const SparseQueryTerm& term, Pieces& pieces) const;
  // Calls add(slot, place in block, query weight * weight) for every posting in a chosen block,
  // rows ascending.
  template <class Add>
  void Visit(const SparseQueryTerm& term, const Pieces& pieces, Add& add) const;
  template <class Add>
  void VisitListed(const SparseQueryTerm& term, Add& add) const;
  void ClearSums();
  void Drop(float score);

  const SparseIndex::Arrays* arrays_ = nullptr;
  const SparseBounds* bounds_ = nullptr;
  std::vector<uint32_t> heaviest_first_;  // Numbers of terms.
  std::vector<uint32_t> blocks_;
  std::vector<uint16_t> slot_of_;  // By block: its number among the chosen, plus 1.
  std::vector<double> sums_;
  std::vector<double> promised_;  // Of the terms looked at so far, by chosen block.
  std::vector<uint32_t> rows_with_terms_;
  std::array<Pieces, 2> pieces_;
};

}  // namespace almagest
