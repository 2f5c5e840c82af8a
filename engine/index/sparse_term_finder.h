// Where terms stand in an ascending array of them: interpolation in three steps that can be taken
// for several terms at once, so that their cache misses overlap.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace almagest {

class SparseTermFinder {
 public:
  explicit SparseTermFinder(std::span<const uint32_t> terms) : terms_(terms) {
    if (terms.size() < 2 || terms.back() <= terms.front()) return;
    per_term_ = static_cast<double>(terms.size() - 1) /
                (static_cast<double>(terms.back()) - static_cast<double>(terms.front()));
  }

  // As if terms were evenly spread; fetches what Correct reads.
  size_t Guess(uint32_t term) const {
    if (terms_.empty()) return 0;
    return Fetch((static_cast<double>(term) - static_cast<double>(terms_.front())) * per_term_);
  }
  // Nearer, as if they were from there on; fetches what Find reads.
  size_t Correct(uint32_t term, size_t guess) const {
    if (terms_.empty()) return 0;
    const double gap = static_cast<double>(term) - static_cast<double>(terms_[guess]);
    return Fetch(static_cast<double>(guess) + gap * per_term_);
  }
  // The term's place, or terms.size() if it is not there: from the guess outwards in growing steps.
  // O(log terms) however wrong the guess is.
  size_t Find(uint32_t term, size_t guess) const {
    const size_t count = terms_.size();
    if (count == 0 || term < terms_.front() || term > terms_.back()) return count;
    size_t low = guess;   // In the end terms[low] <= term ...
    size_t high = guess;  // ... and terms[high] >= term.
    for (size_t step = 8; low > 0 && terms_[low] > term; step *= 4) low -= std::min(low, step);
    for (size_t step = 8; high < count - 1 && terms_[high] < term; step *= 4) {
      high = std::min(count - 1, high + step);
    }
    const auto found = std::lower_bound(terms_.begin() + static_cast<ptrdiff_t>(low),
                                        terms_.begin() + static_cast<ptrdiff_t>(high), term);
    return *found == term ? static_cast<size_t>(found - terms_.begin()) : count;
  }

 private:
  size_t Fetch(double place) const {
    const double last = static_cast<double>(terms_.size() - 1);
    const auto inside = static_cast<size_t>(std::clamp(place, 0.0, last));
    __builtin_prefetch(terms_.data() + inside);
    return inside;
  }

  std::span<const uint32_t> terms_;
  double per_term_ = 0.0;
};

}  // namespace almagest
