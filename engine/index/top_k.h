// The k best rows of a search, with one order everywhere: score descending, then smaller row.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace almagest {

// One hit inside a segment. Larger score = nearer (distance.h).
struct ScoredRow {
  uint32_t row = 0;
  float score = 0.0f;
  friend bool operator==(const ScoredRow&, const ScoredRow&) = default;
};

// The order of results: true if `a` comes before `b`.
inline bool ComesBefore(const ScoredRow& a, const ScoredRow& b) {
  return a.score > b.score || (a.score == b.score && a.row < b.row);
}

// Keeps the k best of everything pushed, whatever the order of pushing. A NaN score counts as
// -infinity. k = 0 keeps nothing. Not thread-safe. Cost of a push: O(1) if rejected, else O(log k).
class TopK {
 public:
  explicit TopK(size_t k) : k_(k) { heap_.reserve(std::min<size_t>(k, 1024)); }

  // Whether a push of this score and row would change the result.
  bool Accepts(float score, uint32_t row) const {
    if (heap_.size() < k_) return true;
    return k_ > 0 && ComesBefore({row, score}, heap_.front());
  }
  // The score that a later, larger row has to exceed; -infinity while fewer than k are held.
  // +infinity for k = 0.
  float threshold() const {
    if (k_ == 0) return std::numeric_limits<float>::infinity();
    return full() ? heap_.front().score : -std::numeric_limits<float>::infinity();
  }

  // True if kept (for now).
  bool Push(uint32_t row, float score) {
    if (score != score) score = -std::numeric_limits<float>::infinity();
    if (!Accepts(score, row)) return false;
    if (full()) {
      std::pop_heap(heap_.begin(), heap_.end(), kOrder);
      heap_.back() = {row, score};
    } else {
      heap_.push_back({row, score});
    }
    std::push_heap(heap_.begin(), heap_.end(), kOrder);
    return true;
  }

  bool full() const { return heap_.size() >= k_; }
  size_t count() const { return heap_.size(); }

  // The kept rows, best first. Leaves the collector empty.
  std::vector<ScoredRow> Take() {
    std::sort_heap(heap_.begin(), heap_.end(), kOrder);
    return std::exchange(heap_, {});
  }

 private:
  // A closure, unlike a pointer to a function, is inlined where the heap calls it.
  static constexpr auto kOrder = [](const ScoredRow& a, const ScoredRow& b) {
    return ComesBefore(a, b);
  };

  size_t k_;
  std::vector<ScoredRow> heap_;  // The worst kept row in front.
};

}  // namespace almagest
