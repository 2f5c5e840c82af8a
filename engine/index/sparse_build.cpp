// Making sealed sparse indexes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <utility>

#include "engine/index/sparse_index.h"
#include "engine/index/sparse_order.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

// The order sees a row's heaviest terms: they make its bounds. Measured on 500,000 rows of 120
// terms: with 20 a search looks at 4.2 % of the blocks, with 40 at 4.4 %, unordered at 11 %.
constexpr size_t kTermsForOrder = 20;

// From a posting for so many blocks on, a term is dense. Rows of few terms, as short texts make
// them, are mostly searched for term at a time, and going through a list then costs less than
// looking at many of its blocks. Measured, queries/s with 4 and 2: rows of 6 terms 115,000 and
// 125,000 (with 7: 92,000), rows of 120 terms 13,300 and 11,000.
constexpr uint32_t kDenseBlocksPerPosting = 4;
constexpr uint32_t kDenseBlocksOfFewTerms = 2;
constexpr uint64_t kFewTerms = 32;

// A level of `weight` that never stands for less than it, at least 1.
uint32_t Level(float weight, float weight_max, float levels) {
  if (!(weight > 0.0f)) return 1;
  const double level = std::ceil(double{weight} / double{weight_max} * double{levels});
  return static_cast<uint32_t>(std::clamp(level, 1.0, double{levels}));
}

struct TermPostings {
  std::span<const uint32_t> positions;  // Strictly ascending.
  std::span<const float> weights;
};

class ListWriter {
 public:
  // `out` has its meta.
  explicit ListWriter(SparseIndexArrays& out) : out_(out), chunks_(ChunkCount(out.meta.row_count)) {
    const bool has_few_terms = out.meta.posting_count < kFewTerms * out.meta.row_count;
    dense_blocks_ = has_few_terms ? kDenseBlocksOfFewTerms : kDenseBlocksPerPosting;
  }

  void Add(const TermPostings& postings) {
    SparseList list;
    list.posting_count = static_cast<uint32_t>(postings.positions.size());
    const auto [low, high] = std::minmax_element(postings.weights.begin(), postings.weights.end());
    list.weight_min = *low;
    list.weight_max = *high;
    const uint64_t blocks = uint64_t{chunks_} * kBlocksPerChunk;
    const bool is_dense = uint64_t{list.posting_count} * dense_blocks_ >= blocks;
    if (is_dense || list.posting_count >= chunks_) AddDirectory(postings, list);
    if (is_dense) {
      AddDense(postings, list);
    } else {
      AddListed(postings, list);
    }
    out_.lists.push_back(list);
  }

 private:
  void AddDirectory(const TermPostings& postings, SparseList& list) {
    list.directory = static_cast<uint32_t>(out_.directories.size() / chunks_);
    size_t i = 0;
    for (uint64_t chunk = 0; chunk < chunks_; ++chunk) {
      while (i < postings.positions.size() && postings.positions[i] < chunk * kRowsPerChunk) ++i;
      out_.directories.push_back(static_cast<uint32_t>(i));
    }
  }

  void AddListed(const TermPostings& postings, SparseList& list) {
    list.first = out_.listed_postings.size();
    size_t i = 0;
    while (i < postings.positions.size()) {
      const uint32_t block = postings.positions[i] / kRowsPerBlock;
      const size_t first = out_.listed_postings.size();
      float largest = postings.weights[i];
      for (; i < postings.positions.size() && postings.positions[i] / kRowsPerBlock == block; ++i) {
        largest = std::max(largest, postings.weights[i]);
        out_.listed_postings.push_back({postings.positions[i], postings.weights[i]});
      }
      out_.listed_postings[first].place |= Level(largest, list.weight_max, kListedLevels)
                                           << kPositionBits;
    }
  }

  void AddDense(const TermPostings& postings, SparseList& list) {
    list.first = out_.dense_postings.size() / kDensePostingBytes;
    list.dense_number =
        static_cast<uint32_t>(out_.maxima.size() / (size_t{chunks_} * kBlocksPerChunk));
    size_t i = 0;
    size_t chunk_first = 0;
    for (uint32_t block = 0; block < chunks_ * kBlocksPerChunk; ++block) {
      if (block % kBlocksPerChunk == 0) chunk_first = i;
      const size_t start = i - chunk_first;
      uint32_t quarters = 0;
      uint32_t level = 0;
      for (; i < postings.positions.size() && postings.positions[i] / kRowsPerBlock == block; ++i) {
        level = std::max(level, Level(postings.weights[i], list.weight_max, kDenseLevels));
        quarters |= 1u << QuarterShift(postings.positions[i]);
        out_.dense_postings.push_back(static_cast<uint8_t>(postings.positions[i] % kRowsPerGroup));
        uint8_t bytes[sizeof(float)];
        std::memcpy(bytes, &postings.weights[i], sizeof bytes);
        out_.dense_postings.insert(out_.dense_postings.end(), std::begin(bytes), std::end(bytes));
      }
      out_.maxima.push_back(static_cast<uint8_t>(level));
      out_.starts.push_back(static_cast<uint16_t>(start | quarters));
    }
  }

  SparseIndexArrays& out_;
  uint32_t chunks_;
  uint32_t dense_blocks_ = kDenseBlocksPerPosting;
};

// The order of `rows` (posting ranges with numbered terms) by their heaviest terms.
std::vector<uint32_t> OrderRows(std::span<const uint64_t> firsts, std::span<const uint32_t> numbers,
                                std::span<const float> weights, uint32_t term_count) {
  SparseRowTerms heaviest;
  std::vector<uint32_t> places;
  for (size_t r = 0; r + 1 < firsts.size(); ++r) {
    places.resize(firsts[r + 1] - firsts[r]);
    std::iota(places.begin(), places.end(), 0u);
    const auto heavier = [&](uint32_t a, uint32_t b) {
      return std::pair(-std::fabs(weights[firsts[r] + a]), a) <
             std::pair(-std::fabs(weights[firsts[r] + b]), b);
    };
    if (places.size() > kTermsForOrder) {
      std::nth_element(places.begin(), places.begin() + kTermsForOrder, places.end(), heavier);
      places.resize(kTermsForOrder);
    }
    for (const uint32_t place : places) heaviest.terms.push_back(numbers[firsts[r] + place]);
    heaviest.firsts.push_back(heaviest.terms.size());
  }
  return OrderBySimilarity(heaviest, term_count);
}

}  // namespace

Result<> SparseIndexBuilder::Add(uint32_t row, const SparseView& vector) {
  ALMAGEST_TRY_VOID(ValidateSparse(vector));
  if (!rows_.empty() && row <= rows_.back()) {
    return Fail(ErrorCode::kInvalidArgument,
                "row " + std::to_string(row) + " was added after a row as large");
  }
  if (row >= kSparseRowsMax) {
    return Fail(ErrorCode::kInvalidArgument, "row " + std::to_string(row) +
                                                 " is beyond the largest of a sparse index, " +
                                                 std::to_string(kSparseRowsMax - 1));
  }
  rows_.push_back(row);
  firsts_.push_back(numbers_.size());
  for (size_t i = 0; i < vector.terms.size(); ++i) {
    const auto number = static_cast<uint32_t>(number_of_.size());
    numbers_.push_back(number_of_.emplace(vector.terms[i], number).first->second);
    weights_.push_back(vector.weights[i]);
  }
  return {};
}

SparseIndexArrays SparseIndexBuilder::Finish(uint32_t row_count) {
  ALMAGEST_CHECK(rows_.empty() || rows_.back() < row_count);
  const SparseIndexBuilder in = std::exchange(*this, SparseIndexBuilder(options_));
  std::vector<uint64_t> firsts = in.firsts_;
  firsts.push_back(in.numbers_.size());
  const auto term_count = static_cast<uint32_t>(in.number_of_.size());
  SparseIndexArrays out;
  out.meta = {row_count, term_count, in.numbers_.size()};

  // Rows without a vector come last.
  std::vector<uint32_t> order(in.rows_.size());
  std::iota(order.begin(), order.end(), 0u);
  std::vector<uint32_t> position_of_added = in.rows_;
  if (row_count >= options_.ordered_rows_min) {
    order = OrderRows(firsts, in.numbers_, in.weights_, term_count);
    out.position_of.assign(row_count, kNoNumber);
    for (uint32_t p = 0; p < order.size(); ++p) {
      out.row_of.push_back(in.rows_[order[p]]);
      out.position_of[out.row_of.back()] = position_of_added[order[p]] = p;
    }
    for (uint32_t row = 0; row < row_count; ++row) {
      if (out.position_of[row] != kNoNumber) continue;
      out.position_of[row] = static_cast<uint32_t>(out.row_of.size());
      out.row_of.push_back(row);
    }
  }

  // Postings by term, positions ascending in each, by one counting sort.
  std::vector<uint64_t> next(term_count + 1, 0);
  for (const uint32_t number : in.numbers_) ++next[number + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<uint32_t> positions(in.numbers_.size());
  std::vector<float> weights(in.numbers_.size());
  for (const uint32_t added : order) {
    for (uint64_t i = firsts[added]; i < firsts[added + 1]; ++i) {
      const uint64_t place = next[in.numbers_[i]]++;
      positions[place] = position_of_added[added];
      weights[place] = in.weights_[i];
    }
  }
  std::vector<std::pair<uint32_t, uint32_t>> terms(in.number_of_.begin(), in.number_of_.end());
  std::sort(terms.begin(), terms.end());
  ListWriter writer(out);
  for (const auto& [term, number] : terms) {
    const uint64_t first = number == 0 ? 0 : next[number - 1];
    const uint64_t count = next[number] - first;
    out.terms.push_back(term);
    writer.Add(
        {std::span(positions).subspan(first, count), std::span(weights).subspan(first, count)});
  }
  return out;
}

}  // namespace almagest
