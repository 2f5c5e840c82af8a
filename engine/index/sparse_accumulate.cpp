#include "engine/index/sparse_accumulate.h"

#include <algorithm>
#include <array>
#include <bit>

namespace almagest {
namespace {

constexpr uint32_t kWindowRows = 8192;  // Sums of one window stay in the second-level cache.

struct Window {
  std::array<double, kWindowRows> sums{};
  std::array<uint64_t, kWindowRows / 64> touched{};
};

}  // namespace

Result<std::vector<ScoredRow>> AccumulateTopK(std::span<const WeightedPostings> lists, size_t k,
                                              const RowFilter& filter, const CancelCheck& cancel) {
  thread_local Window window;  // All zero between calls.
  TopK best(k);
  std::vector<size_t> places(lists.size(), 0);
  while (k > 0) {
    if (cancel.Expired()) {
      return Fail(ErrorCode::kTimeout, "the search was stopped or passed its deadline");
    }
    uint64_t first = filter.row_limit;
    for (size_t l = 0; l < lists.size(); ++l) {
      if (places[l] < lists[l].rows.size()) {
        first = std::min<uint64_t>(first, lists[l].rows[places[l]]);
      }
    }
    if (first >= filter.row_limit) break;
    first = first / kWindowRows * kWindowRows;
    for (size_t l = 0; l < lists.size(); ++l) {
      const WeightedPostings& list = lists[l];
      size_t place = places[l];
      for (; place < list.rows.size() && list.rows[place] < first + kWindowRows; ++place) {
        const uint32_t local = list.rows[place] - static_cast<uint32_t>(first);
        window.sums[local] += double{list.query_weight} * double{list.weights[place]};
        window.touched[local / 64] |= uint64_t{1} << (local % 64);
      }
      places[l] = place;
    }
    for (size_t word = 0; word < window.touched.size(); ++word) {
      uint64_t touched = window.touched[word];
      if (touched == 0) continue;
      const uint64_t counts = filter.Word(first / 64 + word, filter.row_limit);
      for (; touched != 0; touched &= touched - 1) {
        const int bit = std::countr_zero(touched);
        const uint32_t local = static_cast<uint32_t>(word * 64) + static_cast<uint32_t>(bit);
        if (((counts >> bit) & 1) != 0) {
          best.Push(static_cast<uint32_t>(first) + local, static_cast<float>(window.sums[local]));
        }
        window.sums[local] = 0.0;
      }
      window.touched[word] = 0;
    }
  }
  return best.Take();
}

}  // namespace almagest
