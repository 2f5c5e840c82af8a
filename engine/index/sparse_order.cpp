#include "engine/index/sparse_order.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/index/sparse_layout.h"

namespace almagest {
namespace {

constexpr int kPassesMax = 8;
constexpr size_t kSettledShare = 200;  // Fewer exchanges than a 200th of the rows: done.
constexpr size_t kLogTable = 4096;

class Bisection {
 public:
  Bisection(const SparseRowTerms& rows, uint32_t term_count)
      : rows_(rows), degrees_(term_count), gains_(term_count), logs_(kLogTable) {
    for (size_t i = 0; i < kLogTable; ++i) logs_[i] = std::log2(static_cast<float>(i + 1));
  }

  void Run(std::span<uint32_t> order) {
    if (order.size() <= kRowsPerBlock) return;
    // The left half is whole blocks.
    const size_t half = (order.size() / 2 + kRowsPerBlock - 1) / kRowsPerBlock * kRowsPerBlock;
    CountDegrees(order, half);
    for (int pass = 0; pass < kPassesMax; ++pass) {
      if (Exchange(order, half) * kSettledShare < order.size()) break;
    }
    for (const uint32_t term : touched_) degrees_[term] = {};
    Run(order.first(half));
    Run(order.subspan(half));
  }

 private:
  struct Candidate {
    float gain;
    uint32_t row;
    // By falling gain; rows break ties, so that the order does not depend on the sort.
    bool operator<(const Candidate& other) const {
      return std::pair(-gain, row) < std::pair(-other.gain, other.row);
    }
  };
  using Pair = std::array<uint32_t, 2>;

  std::span<const uint32_t> TermsOf(uint32_t row) const {
    return std::span(rows_.terms)
        .subspan(rows_.firsts[row], rows_.firsts[row + 1] - rows_.firsts[row]);
  }
  float Log(uint32_t degree) const {  // log2(degree + 1)
    return degree < kLogTable ? logs_[degree] : std::log2(static_cast<float>(degree) + 1.0f);
  }

  void CountDegrees(std::span<const uint32_t> order, size_t half) {
    touched_.clear();
    for (size_t i = 0; i < order.size(); ++i) {
      for (const uint32_t term : TermsOf(order[i])) {
        Pair& degree = degrees_[term];
        if (degree[0] + degree[1] == 0) touched_.push_back(term);
        ++degree[i < half ? 0 : 1];
      }
    }
  }

  // What moving a posting of each term to the other side saves, in bits of a log-gap code.
  void ComputeGains(size_t left, size_t right) {
    const std::array<float, 2> size_log = {std::log2(static_cast<float>(left)),
                                           std::log2(static_cast<float>(right))};
    const auto cost = [&](uint32_t a, uint32_t b) {
      return static_cast<float>(a) * (size_log[0] - Log(a)) +
             static_cast<float>(b) * (size_log[1] - Log(b));
    };
    for (const uint32_t term : touched_) {
      const auto [a, b] = degrees_[term];
      const float now = cost(a, b);
      gains_[term] = {a > 0 ? now - cost(a - 1, b + 1) : 0.0f,
                      b > 0 ? now - cost(a + 1, b - 1) : 0.0f};
    }
  }

  void Move(uint32_t row, size_t from) {
    for (const uint32_t term : TermsOf(row)) {
      --degrees_[term][from];
      ++degrees_[term][1 - from];
    }
  }

  // One pass: the rows that gain most change sides in pairs. Returns the pairs.
  size_t Exchange(std::span<uint32_t> order, size_t half) {
    ComputeGains(half, order.size() - half);
    for (size_t side = 0; side < 2; ++side) {
      const auto part = side == 0 ? order.first(half) : order.subspan(half);
      candidates_[side].clear();
      for (const uint32_t row : part) {
        float gain = 0.0f;
        for (const uint32_t term : TermsOf(row)) gain += gains_[term][side];
        candidates_[side].push_back({gain, row});
      }
      std::sort(candidates_[side].begin(), candidates_[side].end());
    }
    auto& [left, right] = candidates_;
    size_t pairs = 0;
    for (; pairs < std::min(left.size(), right.size()); ++pairs) {
      if (!(left[pairs].gain + right[pairs].gain > 0.0f)) break;
      Move(left[pairs].row, 0);
      Move(right[pairs].row, 1);
      std::swap(left[pairs].row, right[pairs].row);
    }
    for (size_t i = 0; i < half; ++i) order[i] = left[i].row;
    for (size_t i = half; i < order.size(); ++i) order[i] = right[i - half].row;
    return pairs;
  }

  const SparseRowTerms& rows_;
  std::vector<Pair> degrees_;  // Of each term in the left and right half; 0 outside of Run.
  std::vector<std::array<float, 2>> gains_;
  std::vector<float> logs_;
  std::vector<uint32_t> touched_;  // Terms that occur.
  std::array<std::vector<Candidate>, 2> candidates_;
};

}  // namespace

std::vector<uint32_t> OrderBySimilarity(const SparseRowTerms& rows, uint32_t term_count) {
  std::vector<uint32_t> order(rows.firsts.size() - 1);
  std::iota(order.begin(), order.end(), 0u);
  Bisection(rows, term_count).Run(order);
  return order;
}

}  // namespace almagest
