#include "engine/index/sparse_rest_terms.h"

#include <cstring>

namespace almagest {
namespace {

float WeightOf(const uint8_t* posting) {
  float weight;
  std::memcpy(&weight, posting + 1, sizeof weight);
  return weight;
}

}  // namespace

void SparseRestTerms::Start(const SparseIndex::Arrays& arrays,
                            std::span<const SparseQueryTerm> terms, const SparseWindow& window) {
  arrays_ = &arrays;
  first_block_ = window.first_block();
  parts_.clear();
  maxima_.clear();
  most_ = 0.0;
  const size_t chunk_count = ChunkCount(arrays.meta.row_count);
  const uint32_t first_chunk = window.first / kRowsPerChunk;
  for (const SparseQueryTerm& term : terms) {
    const size_t first = term.list.dense_number * chunk_count * kBlocksPerChunk + first_block_;
    const auto coefficient = static_cast<float>(term.most() / kDenseLevels * (1.0 + 1e-6));
    parts_.push_back({&term, arrays.maxima.data() + first, arrays.starts.data() + first,
                      arrays.directories.data() + term.list.directory * chunk_count + first_chunk,
                      arrays.dense_postings.data() + term.list.first * kDensePostingBytes,
                      coefficient});
    maxima_.push_back({parts_.back().maxima, coefficient});
    most_ += term.most();
  }
  if (parts_.empty()) return;
  bounds_.resize(size_t{window.chunk_count} * kBlocksPerChunk);
  AddUpMaxima(maxima_, bounds_.size(), bounds_.data());
}

double SparseRestTerms::SumOf(uint32_t position) const {
  const uint32_t block = position / kRowsPerBlock;
  const uint32_t shift = QuarterShift(position);
  const uint32_t place = position % kRowsPerGroup;
  double sum = 0.0;
  for (const Part& part : parts_) {
    if (((uint32_t{part.starts[block]} >> shift) & 1) == 0) continue;
    const uint32_t at = first_block_ + block;
    const DensePiece piece = PieceOf(*arrays_, part.term->list, at, at + 1);
    const uint8_t* posting = piece.postings;
    const uint8_t* const end = posting + size_t{piece.count} * kDensePostingBytes;
    while (posting != end && *posting < place) posting += kDensePostingBytes;
    if (posting == end || *posting != place) continue;
    sum += part.term->weight * double{WeightOf(posting)};
  }
  return sum;
}

std::array<double, kRowsPerBlock> SparseRestTerms::SumsOf(uint32_t block) const {
  std::array<double, kRowsPerBlock> sums{};
  for (const Part& part : parts_) {
    if (part.maxima[block] == 0) continue;
    const uint32_t at = first_block_ + block;
    const DensePiece piece = PieceOf(*arrays_, part.term->list, at, at + 1);
    const uint8_t* posting = piece.postings;
    for (uint32_t i = 0; i < piece.count; ++i, posting += kDensePostingBytes) {
      sums[*posting % kRowsPerBlock] += part.term->weight * double{WeightOf(posting)};
    }
  }
  return sums;
}

}  // namespace almagest
