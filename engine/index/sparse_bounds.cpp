#include "engine/index/sparse_bounds.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "engine/index/sparse_kernels.h"

namespace almagest {
namespace {

// Added to the bound of every block in which a term occurs, so that it is not 0.
constexpr double kSmallestCoefficient = 1e-30;
// With more rows that count than a row in 16, most blocks have one.
constexpr uint32_t kFewRows = 16;

// The most that a row with the term can get from it, per level of the term's lists.
double LargestPerLevel(const SparseQueryTerm& term) {
  const double levels = term.list.dense_number == kNoNumber ? kListedLevels : kDenseLevels;
  if (term.weight >= 0.0) return term.weight * std::max(0.0, double{term.list.weight_max}) / levels;
  // Levels say nothing about the smallest weights, but each is at least 1.
  return term.weight * std::min(0.0, double{term.list.weight_min});
}

}  // namespace

void SparseBounds::ChooseUnit() {
  unit = 0.0;
  for (const SparseQueryTerm& term : terms) unit = std::max(unit, LargestPerLevel(term));
  if (!(unit > 0.0 && unit <= std::numeric_limits<double>::max())) unit = 1.0;
  for (SparseQueryTerm& term : terms) {
    const double share = LargestPerLevel(term) / unit * (1.0 + 1e-6);
    term.coefficient = static_cast<float>(std::clamp(share, kSmallestCoefficient, 2.0));
  }
  slack = 1.0 + 1e-6 + 2e-7 * static_cast<double>(terms.size());
}

void SparseBounds::Compute(const SparseIndex::Arrays& arrays, const SparseQueryTerms& found) {
  terms = found.terms;
  only_positive = found.only_positive;
  ChooseUnit();
  const size_t chunk_count = ChunkCount(arrays.meta.row_count);
  const size_t block_count = chunk_count * kBlocksPerChunk;
  blocks.resize(block_count);
  chunks.resize(chunk_count);
  dense_.clear();
  for (const SparseQueryTerm& term : terms) {
    if (term.list.dense_number == kNoNumber) continue;
    dense_.push_back(
        {arrays.maxima.data() + term.list.dense_number * block_count, term.coefficient});
  }
  AddUpMaxima(dense_, block_count, blocks.data());
  for (const SparseQueryTerm& term : terms) {
    const SparseList& list = term.list;
    if (list.dense_number != kNoNumber) continue;
    for (const auto& posting : arrays.listed_postings.subspan(list.first, list.posting_count)) {
      const uint32_t block = posting.position() / kRowsPerBlock;
      if (block >= block_count) continue;  // Damaged.
      blocks[block] += term.coefficient * static_cast<float>(posting.place >> kPositionBits);
    }
  }
  LargestBounds(blocks.data(), chunk_count, chunks.data());
}

bool SparseBounds::HasFewRows(uint32_t row_count, const RowFilter& filter) {
  return filter.allowed_words != nullptr && filter.CountMatches(row_count) <= row_count / kFewRows;
}

bool SparseBounds::Restrict(const SparseIndex::Arrays& arrays, const RowFilter& filter) {
  const uint32_t row_count = arrays.meta.row_count;
  const uint32_t limit = std::min(row_count, filter.row_limit);
  const size_t matches = filter.CountMatches(row_count);
  if (matches == 0) return false;
  if (matches > row_count / kFewRows) return true;
  std::vector<uint64_t> has_match(chunks.size(), 0);
  for (uint32_t word = 0; word < BitmapWords(limit); ++word) {
    for (uint64_t rows = filter.Word(word, limit); rows != 0; rows &= rows - 1) {
      const uint32_t row = word * 64 + static_cast<uint32_t>(std::countr_zero(rows));
      const uint32_t position = arrays.position_of.empty() ? row : arrays.position_of[row];
      if (position >= row_count) continue;  // Damaged.
      has_match[position / kRowsPerChunk] |= uint64_t{1}
                                             << position / kRowsPerBlock % kBlocksPerChunk;
    }
  }
  for (size_t block = 0; block < blocks.size(); ++block) {
    if ((has_match[block / kBlocksPerChunk] >> block % kBlocksPerChunk & 1) == 0) blocks[block] = 0;
  }
  LargestBounds(blocks.data(), chunks.size(), chunks.data());
  return true;
}

float SparseBounds::BoundOf(float score) const {
  if (!(score > 0.0f)) return 0.0f;
  // Scores beyond the largest float are all infinite: none of them is ruled out.
  const double finite = std::min<double>(score, std::numeric_limits<float>::max());
  // Below the normal floats, rounding a sum changes it by up to half of the smallest one.
  const double sum = std::max(0.0, finite - double{std::numeric_limits<float>::denorm_min()});
  const double bound = sum / unit / slack * (1.0 - 1e-6);
  return static_cast<float>(std::min<double>(bound, std::numeric_limits<float>::max()));
}

}  // namespace almagest
