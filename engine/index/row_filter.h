// Which rows of a segment count for a search, and until when the search may run.
#pragma once

#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "storage/base/check.h"

namespace almagest {

inline constexpr size_t BitmapWords(size_t bits) { return (bits + 63) / 64; }

// A bitmap of fixed size whose bits are set by any thread while others read: the deleted rows of a
// segment. Bits are never cleared. Relaxed order: a reader sees a set bit at some time soon; who
// needs more (a deletion acknowledged before a search starts) synchronises outside.
class AtomicBitmap {
 public:
  explicit AtomicBitmap(size_t bits)
      : bits_(bits), words_(new std::atomic<uint64_t>[BitmapWords(bits)]) {
    for (size_t w = 0; w < word_count(); ++w) words_[w].store(0, std::memory_order_relaxed);
  }

  // True if the bit was not set before. `bit` < bits().
  bool Set(size_t bit) {
    ALMAGEST_CHECK(bit < bits_);
    const uint64_t mask = uint64_t{1} << (bit % 64);
    return (words_[bit / 64].fetch_or(mask, std::memory_order_release) & mask) == 0;
  }
  bool Test(size_t bit) const {
    ALMAGEST_CHECK(bit < bits_);
    return (words_[bit / 64].load(std::memory_order_relaxed) >> (bit % 64)) & 1;
  }
  // Set bits; a moment's value if others write. O(bits / 64).
  size_t Count() const {
    size_t count = 0;
    for (size_t w = 0; w < word_count(); ++w) {
      count += static_cast<size_t>(std::popcount(words_[w].load(std::memory_order_relaxed)));
    }
    return count;
  }

  size_t bits() const { return bits_; }
  size_t word_count() const { return BitmapWords(bits_); }
  const std::atomic<uint64_t>* words() const { return words_.get(); }

 private:
  size_t bits_;
  std::unique_ptr<std::atomic<uint64_t>[]> words_;
};

// A row counts iff row < row_limit, it is not deleted, and it is allowed (or all are).
// Pointers are borrowed and may be null (nothing deleted, everything allowed); both bitmaps hold
// at least min(row_limit, rows of the index) bits. `row_limit` is how a search over a growing
// segment keeps to the rows that were published when it began. Copy freely: a plain view.
struct RowFilter {
  const std::atomic<uint64_t>* deleted_words = nullptr;  // May change meanwhile; read relaxed.
  const uint64_t* allowed_words = nullptr;
  uint32_t row_limit = std::numeric_limits<uint32_t>::max();

  bool Counts(uint32_t row) const {
    if (row >= row_limit) return false;
    if (deleted_words != nullptr &&
        ((deleted_words[row / 64].load(std::memory_order_relaxed) >> (row % 64)) & 1) != 0) {
      return false;
    }
    return allowed_words == nullptr || ((allowed_words[row / 64] >> (row % 64)) & 1) != 0;
  }

  // Rows below `row_count` that count. O(row_count / 64).
  size_t CountMatches(uint32_t row_count) const {
    const uint32_t limit = row_count < row_limit ? row_count : row_limit;
    size_t count = 0;
    for (uint32_t first = 0; first < limit; first += 64) {
      count += static_cast<size_t>(std::popcount(Word(first / 64, limit)));
      if (limit - first <= 64) break;
    }
    return count;
  }

  // The 64 rows from 64 * word on as bits, those at or beyond `limit` (a row) as 0. Rows at or
  // beyond row_limit are the caller's to exclude: pass min(row_limit, rows).
  uint64_t Word(size_t word, uint32_t limit) const {
    const uint64_t first = word * 64;
    if (first >= limit) return 0;
    uint64_t bits = ~uint64_t{0};
    if (limit - first < 64) bits = (uint64_t{1} << (limit - first)) - 1;
    if (deleted_words != nullptr) bits &= ~deleted_words[word].load(std::memory_order_relaxed);
    if (allowed_words != nullptr) bits &= allowed_words[word];
    return bits;
  }
};

// When a running search has to give up. Both parts are optional; Expired() reads the clock, so ask
// every few thousand rows.
struct CancelCheck {
  const std::atomic<bool>* stop = nullptr;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();

  bool Expired() const {
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) return true;
    return deadline != std::chrono::steady_clock::time_point::max() &&
           std::chrono::steady_clock::now() >= deadline;
  }
};

}  // namespace almagest
