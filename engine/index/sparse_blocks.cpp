#include "engine/index/sparse_blocks.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "engine/index/sparse_kernels.h"

namespace almagest {
namespace {

// A listed term is read from end to end if that is at most so many postings per chosen block;
// else its directory is asked for each.
constexpr size_t kScannedPerBlock = 8;
// How far ahead of the block at hand its neighbours' postings are fetched.
constexpr size_t kAhead = 8;
// Terms between two looks at which blocks can be dropped.
constexpr size_t kTermsPerLook = 4;

struct AddToSums {
  double* sums;
  void operator()(uint32_t slot, uint32_t place, double part) const {
    sums[slot * kRowsPerBlock + place] += part;
  }
};

struct AddAndMark {
  double* sums;
  uint32_t* rows;
  void operator()(uint32_t slot, uint32_t place, double part) const {
    sums[slot * kRowsPerBlock + place] += part;
    rows[slot] |= uint32_t{1} << place;
  }
};

// Also adds up each block's largest part of every term, which its bound had promised to each row.
struct AddAndCompare {
  double* sums;
  double* promised;
  uint32_t slot_at_hand = kNoNumber;
  double largest = 0.0;

  void operator()(uint32_t slot, uint32_t place, double part) {
    if (slot != slot_at_hand) EndTerm();
    slot_at_hand = slot;
    largest = std::max(largest, part);
    sums[slot * kRowsPerBlock + place] += part;
  }
  void EndTerm() {
    if (slot_at_hand != kNoNumber) promised[slot_at_hand] += largest;
    slot_at_hand = kNoNumber;
    largest = 0.0;
  }
};

}  // namespace

void SparseBlocks::Start(const SparseIndex::Arrays& arrays, const SparseBounds& bounds) {
  arrays_ = &arrays;
  bounds_ = &bounds;
  slot_of_.resize(std::max(slot_of_.size(), bounds.blocks.size()), 0);
  heaviest_first_.resize(bounds.terms.size());
  std::iota(heaviest_first_.begin(), heaviest_first_.end(), 0u);
  const auto most = [&](uint32_t t) {
    const SparseQueryTerm& term = bounds.terms[t];
    return term.coefficient * (term.list.dense_number == kNoNumber ? kListedLevels : kDenseLevels);
  };
  std::sort(heaviest_first_.begin(), heaviest_first_.end(),
            [&](uint32_t a, uint32_t b) { return most(a) > most(b); });
}

void SparseBlocks::Choose(std::span<const uint32_t> blocks) {
  blocks_.assign(blocks.begin(), blocks.end());
  for (size_t i = 0; i < blocks_.size(); ++i) slot_of_[blocks_[i]] = static_cast<uint16_t>(i + 1);
  ClearSums();
}

void SparseBlocks::Release() {
  for (const uint32_t block : blocks_) slot_of_[block] = 0;
  blocks_.clear();
}

void SparseBlocks::ClearSums() { sums_.assign(blocks_.size() * kRowsPerBlock, 0.0); }

void SparseBlocks::AddAll(bool with_marks) {
  const std::vector<SparseQueryTerm>& terms = bounds_->terms;
  if (with_marks) rows_with_terms_.assign(blocks_.size(), 0);
  AddToSums add{sums_.data()};
  AddAndMark add_and_mark{sums_.data(), rows_with_terms_.data()};
  // The next term's postings are on their way while this one's are added.
  Prepare(terms[0], pieces_[0]);
  for (size_t t = 0; t < terms.size(); ++t) {
    if (t + 1 < terms.size()) Prepare(terms[t + 1], pieces_[(t + 1) % 2]);
    if (with_marks) {
      Visit(terms[t], pieces_[t % 2], add_and_mark);
    } else {
      Visit(terms[t], pieces_[t % 2], add);
    }
  }
}

void SparseBlocks::Narrow(float score) {
  const std::vector<SparseQueryTerm>& terms = bounds_->terms;
  promised_.assign(blocks_.size(), 0.0);
  for (size_t i = 0; i < terms.size() && !blocks_.empty();) {
    const size_t end = std::min(i + kTermsPerLook, terms.size());
    AddAndCompare add{sums_.data(), promised_.data()};
    Prepare(terms[heaviest_first_[i]], pieces_[i % 2]);
    for (; i < end; ++i) {
      if (i + 1 < end) Prepare(terms[heaviest_first_[i + 1]], pieces_[(i + 1) % 2]);
      Visit(terms[heaviest_first_[i]], pieces_[i % 2], add);
      add.EndTerm();
    }
    Drop(score);
  }
  ClearSums();
}

void SparseBlocks::Drop(float score) {
  const double scale = bounds_->unit * bounds_->slack;
  const double needed = double{score} * (1.0 - 1e-6) - std::numeric_limits<float>::denorm_min();
  size_t kept = 0;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const uint32_t block = blocks_[i];
    const double* sums = SumsOf(i);
    const double missed = promised_[i] - LargestSum(sums);
    if (double{bounds_->blocks[block]} * scale - missed < needed) {
      slot_of_[block] = 0;
      continue;
    }
    if (kept != i) {
      std::copy_n(sums, kRowsPerBlock, sums_.data() + kept * kRowsPerBlock);
      promised_[kept] = promised_[i];
      blocks_[kept] = block;
      slot_of_[block] = static_cast<uint16_t>(kept + 1);
    }
    ++kept;
  }
  blocks_.resize(kept);
}

void SparseBlocks::Prepare(const SparseQueryTerm& term, Pieces& pieces) const {
  pieces.clear();
  const SparseList& list = term.list;
  if (list.dense_number == kNoNumber) return;
  const size_t chunk_count = bounds_->chunks.size();
  const uint32_t* directory = arrays_->directories.data() + list.directory * chunk_count;
  const uint16_t* starts =
      arrays_->starts.data() + list.dense_number * chunk_count * kBlocksPerChunk;
  const uint8_t* postings = arrays_->dense_postings.data() + list.first * kDensePostingBytes;
  for (uint32_t slot = 0; slot < blocks_.size(); ++slot) {
    if (slot + kAhead < blocks_.size()) {
      const uint32_t block_ahead = blocks_[slot + kAhead];
      __builtin_prefetch(starts + block_ahead);
      __builtin_prefetch(directory + block_ahead / kBlocksPerChunk);
    }
    const uint32_t block = blocks_[slot];
    const uint32_t chunk = block / kBlocksPerChunk;
    const uint32_t chunk_first = directory[chunk];
    const uint32_t first = chunk_first + starts[block] % kRowsPerChunk;
    uint32_t end = list.posting_count;
    if (block % kBlocksPerChunk != kBlocksPerChunk - 1) {
      end = std::min(end, chunk_first + starts[block + 1] % kRowsPerChunk);
    } else if (chunk + 1 < chunk_count) {
      end = std::min(end, directory[chunk + 1]);
    }
    if (first >= end) continue;  // None, or damaged.
    const uint8_t* piece = postings + size_t{first} * kDensePostingBytes;
    __builtin_prefetch(piece);
    pieces.push_back({piece, end - first, slot});
  }
}

template <class Add>
void SparseBlocks::Visit(const SparseQueryTerm& term, const Pieces& pieces, Add& add) const {
  if (term.list.dense_number == kNoNumber) return VisitListed(term, add);
  for (const Piece& piece : pieces) {
    const uint8_t* posting = piece.postings;
    for (uint32_t i = 0; i < piece.count; ++i, posting += kDensePostingBytes) {
      float weight;
      std::memcpy(&weight, posting + 1, sizeof weight);
      add(piece.slot, *posting % kRowsPerBlock, term.weight * double{weight});
    }
  }
}

template <class Add>
void SparseBlocks::VisitListed(const SparseQueryTerm& term, Add& add) const {
  const SparseList& list = term.list;
  const SparsePosting* postings = arrays_->listed_postings.data() + list.first;
  if (list.directory == kNoNumber || list.posting_count <= kScannedPerBlock * blocks_.size()) {
    const auto block_count = static_cast<uint32_t>(bounds_->blocks.size());
    for (uint32_t i = 0; i < list.posting_count; ++i) {
      const uint32_t position = postings[i].position();
      const uint32_t block = position / kRowsPerBlock;
      if (block >= block_count) continue;  // Damaged.
      const uint32_t slot = slot_of_[block];
      if (slot == 0) continue;
      add(slot - 1, position % kRowsPerBlock, term.weight * double{postings[i].weight});
    }
    return;
  }
  const uint32_t* directory = arrays_->directories.data() + list.directory * bounds_->chunks.size();
  uint32_t i = 0;
  for (uint32_t slot = 0; slot < blocks_.size(); ++slot) {
    const uint32_t block = blocks_[slot];
    i = std::max(i, directory[block / kBlocksPerChunk]);
    while (i < list.posting_count && postings[i].position() / kRowsPerBlock < block) ++i;
    for (; i < list.posting_count && postings[i].position() / kRowsPerBlock == block; ++i) {
      add(slot, postings[i].position() % kRowsPerBlock, term.weight * double{postings[i].weight});
    }
  }
}

}  // namespace almagest
