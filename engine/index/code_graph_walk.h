// The walk over a code graph that its search and its build share: always on to the candidate with
// the best estimate, exact scores for the nodes visited.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "engine/index/code_graph.h"
#include "engine/index/exact_scan.h"
#include "engine/index/top_k.h"

namespace almagest {

// Candidates in order of their keys, in one sorted array: [key, row, whether visited] packed into
// 64 bits, so that inserting is a search without branches and one move. The same row may be in it
// several times, met from different nodes with different estimates: the best is used first, which
// measured better than one estimate a row.
class CandidateBeam {
 public:
  void Start(size_t capacity) {
    capacity_ = capacity;
    if (entries_.size() < capacity + 1) entries_.resize(capacity + 1);
    count_ = 0;
    next_ = 0;
  }
  bool full() const { return count_ == capacity_; }
  // The key a candidate has to be below; +infinity while there is room.
  float threshold() const {
    return full() ? KeyOf(entries_[count_ - 1]) : std::numeric_limits<float>::infinity();
  }
  // `key` is below threshold() and no NaN.
  void Insert(float key, uint32_t row) {
    const uint64_t entry = (uint64_t{Ordered(key)} << 32) | (uint64_t{row} << 1);
    const uint64_t* base = entries_.data();
    for (size_t left = count_; left > 0;) {
      const size_t half = (left + 1) / 2;
      base += half & (size_t{0} - static_cast<size_t>(base[half - 1] < entry));
      left -= half;
    }
    const auto place = static_cast<size_t>(base - entries_.data());
    count_ = std::min(count_ + 1, capacity_);
    if (place >= count_) return;
    uint64_t* to = entries_.data() + place;
    std::memmove(to + 1, to, (count_ - 1 - place) * sizeof(uint64_t));
    *to = entry;
    next_ = std::min(next_, place);
  }
  // Moves on to the best candidate not visited; false if there is none.
  bool Advance() {
    while (next_ < count_ && (entries_[next_] & 1) != 0) ++next_;
    return next_ < count_;
  }
  // After Advance() returned true.
  float NextKey() const { return KeyOf(entries_[next_]); }
  uint32_t TakeNext() {
    const uint32_t row = RowOf(entries_[next_]);
    entries_[next_++] |= 1;
    return row;
  }
  // The candidate after next, likely the one to be visited then; `none` if there is none.
  uint32_t PeekRow(size_t ahead, uint32_t none) const {
    const size_t at = next_ + ahead;
    return at < count_ && (entries_[at] & 1) == 0 ? RowOf(entries_[at]) : none;
  }

 private:
  // The order of floats as unsigned numbers.
  static uint32_t Ordered(float key) {
    const uint32_t bits = std::bit_cast<uint32_t>(key);
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  }
  static float KeyOf(uint64_t entry) {
    const auto bits = static_cast<uint32_t>(entry >> 32);
    return std::bit_cast<float>((bits & 0x80000000u) != 0 ? bits & 0x7FFFFFFFu : ~bits);
  }
  static uint32_t RowOf(uint64_t entry) { return static_cast<uint32_t>(entry) >> 1; }

  std::vector<uint64_t> entries_;
  size_t capacity_ = 0;
  size_t count_ = 0;
  size_t next_ = 0;  // No candidate before it is unvisited.
};

// Rows visited by one walk, a bit each: small enough to stay in the cache.
class VisitedBits {
 public:
  // O(rows marked since the last Start).
  void Start(size_t row_count) {
    for (const uint32_t row : marked_) words_[row / 64] = 0;
    marked_.clear();
    if (words_.size() * 64 < row_count) words_.resize((row_count + 63) / 64, 0);
  }
  bool Contains(uint32_t row) const { return ((words_[row / 64] >> (row % 64)) & 1) != 0; }
  void Insert(uint32_t row) {
    words_[row / 64] |= uint64_t{1} << (row % 64);
    marked_.push_back(row);
  }
  size_t count() const { return marked_.size(); }

 private:
  std::vector<uint64_t> words_;
  std::vector<uint32_t> marked_;
};

// What a walk keeps between queries; one per thread.
struct CodeWalkScratch {
  VisitedBits visited;
  CandidateBeam beam;
  CandidateBeam bridges;          // Rows that do not count (filtered walks).
  std::vector<ScoredRow> scored;  // Rows visited that count, with their similarities.
  std::vector<float> scaled_query;
  std::vector<float> rotated;
  std::vector<uint8_t> tables;
  std::vector<uint8_t> levels;
  std::vector<int32_t> sums;
};

// One query on one graph. Borrows everything. Not thread-safe.
class CodeWalk {
 public:
  // `rotated`: code_bits floats if the caller knows them, else null.
  CodeWalk(const CodeGraph& graph, const float* query, const float* rotated,
           CodeWalkScratch& scratch, const FastscanKernels& kernels = BestFastscanKernels());

  // From now on scores come from these, the rows that the graph was built from. Borrowed.
  void ScoreBy(const DenseRowsView* rows) { exact_rows_ = rows; }
  // From now on walks as if `row` were not in the graph.
  void Exclude(uint32_t row) { excluded_ = row; }

  // Fills scratch.scored (unordered) with the rows visited that count and are present, with exact
  // similarities, adjusted. `filter` null: all rows count. Else rows that do not count are walked
  // through as bridges: until the beam is full, and then at most `bridges_max` more that are better
  // than the beam's worst. False if cancelled.
  bool Walk(size_t beam_width, const RowFilter* filter, size_t bridges_max,
            const ScoreAdjustment& adjustment, const CancelCheck& cancel);

  // Similarity of the query and the row in its node; not adjusted. row < row_count.
  float Score(uint32_t row) const;
  void Prefetch(uint32_t row) const;

  uint64_t rows_visited() const { return scratch_.visited.count(); }
  // The similarity down to which the last walk went through all the rows that it met and that do
  // not count; -infinity if there is no end. Rows that count and are less similar may lie behind
  // others that it left aside.
  float bridged_down_to() const { return -bridges_end_ / graph_.meta().factor_scale; }

 private:
  void FillTables();
  void Meet(const std::byte* block, float similarity, const RowFilter* filter,
            const ScoreAdjustment& adjustment, bool bridges_open);

  const CodeGraph& graph_;
  const FastscanKernels& kernels_;
  CodeWalkScratch& scratch_;
  const float* query_;
  CodeEstimate estimate_;
  const DenseRowsView* exact_rows_ = nullptr;
  uint32_t excluded_ = std::numeric_limits<uint32_t>::max();
  const float* row_query_ = nullptr;  // The query as rows are stored.
  float score_scale_ = 1.0f;          // Kernel's value to similarity.
  float score_added_ = 0.0f;
  float bridges_end_ = std::numeric_limits<float>::infinity();  // As a key.
};

}  // namespace almagest
