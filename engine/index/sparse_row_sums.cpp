#include "engine/index/sparse_row_sums.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/index/sparse_kernels.h"

namespace almagest {
namespace {

constexpr uint32_t kPostingsAtOnce = 256;

// The members of SparseRowSums, to be kept in registers: read from there, they would be read again
// after every write.
struct Adder {
  uint16_t* numbers;
  uint32_t* positions;
  double* sums;
  uint32_t count;

  // Without a branch on whether the position is new, which nothing could predict.
  void operator()(uint32_t position, double part) {
    uint32_t number = numbers[position];
    const uint32_t is_new = number == 0 ? 1 : 0;
    count += is_new;
    number |= count & (0u - is_new);
    numbers[position] = static_cast<uint16_t>(number);
    positions[number] = position;
    sums[number] += part;
  }
};

}  // namespace

void SparseRowSums::Start(uint32_t row_count, size_t additions) {
  const size_t rows = std::min<size_t>(kWindowRows, size_t{ChunkCount(row_count)} * kRowsPerChunk);
  if (numbers_.size() < rows) numbers_.resize(rows, 0);
  if (sums_.size() <= additions) sums_.resize(additions + 1, 0.0);
  if (positions_.size() <= additions) positions_.resize(additions + 1);
}

void SparseRowSums::Add(const SparseIndex::Arrays& arrays, const SparseQueryTerm& term,
                        const SparseWindow& window, uint32_t& used) {
  if (term.is_listed()) {
    AddListed(arrays, term, window, used);
  } else {
    AddDense(arrays, term, window, used);
  }
}

void SparseRowSums::AddListed(const SparseIndex::Arrays& arrays, const SparseQueryTerm& term,
                              const SparseWindow& window, uint32_t& used) {
  const SparsePosting* const postings = arrays.listed_postings.data() + term.list.first;
  const uint32_t end = term.list.posting_count;
  const uint32_t size = window.size();
  Adder add{numbers_.data(), positions_.data(), sums_.data(), count_};
  std::array<uint32_t, kPostingsAtOnce> positions;
  std::array<double, kPostingsAtOnce> parts;
  while (used < end) {
    const uint32_t count = std::min(kPostingsAtOnce, end - used);
    SplitPostings(postings + used, count, window.first, term.weight, positions.data(),
                  parts.data());
    uint32_t i = 0;
    for (; i < count; ++i) {
      if (positions[i] >= size) break;  // In a later window, or damaged.
      add(positions[i], parts[i]);
    }
    used += i;
    if (i < count) break;
  }
  count_ = add.count;
}

void SparseRowSums::AddDense(const SparseIndex::Arrays& arrays, const SparseQueryTerm& term,
                             const SparseWindow& window, uint32_t& used) {
  const double factor = term.weight;
  Adder add{numbers_.data(), positions_.data(), sums_.data(), count_};
  for (uint32_t group = 0; group < window.size() / kRowsPerGroup; ++group) {
    const uint32_t block = window.first_block() + group * kBlocksPerGroup;
    const DensePiece piece = PieceOf(arrays, term.list, block, block + kBlocksPerGroup);
    // Damaged pieces may overlap; there is room for each posting once.
    const uint32_t count = std::min(piece.count, term.list.posting_count - used);
    used += count;
    const uint8_t* posting = piece.postings;
    for (uint32_t i = 0; i < count; ++i, posting += kDensePostingBytes) {
      float weight;
      std::memcpy(&weight, posting + 1, sizeof weight);
      add(group * kRowsPerGroup + *posting, factor * double{weight});
    }
  }
  count_ = add.count;
}

void SparseRowSums::Clear() {
  const uint32_t* const positions = positions_.data();
  uint16_t* const numbers = numbers_.data();
  for (size_t i = 1; i <= count_; ++i) numbers[positions[i]] = 0;
  std::fill_n(sums_.begin(), size_t{count_} + 1, 0.0);
  count_ = 0;
}

}  // namespace almagest
