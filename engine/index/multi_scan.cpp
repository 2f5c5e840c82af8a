#include "engine/index/multi_scan.h"

#include <algorithm>
#include <bit>

namespace almagest {
namespace {

constexpr uint64_t kWorkBetweenChecks = 16'000'000;

class MultiScan {
 public:
  MultiScan(const MultiRows& rows, const MultiQuery& query)
      : rows_(rows), query_(query), top_(query.k) {}

  // False if the search has to stop.
  bool Add(uint32_t row) {
    const std::span<const float> document = rows_.Row(row);
    // An absent row costs a look.
    work_ += 64 + document.size() * query_.query->query_rows();
    if (work_ >= kWorkBetweenChecks) {
      work_ = 0;
      if (query_.cancel.Expired()) return false;
    }
    if (!document.empty()) top_.Push(row, query_.query->Score(document));
    return true;
  }
  std::vector<ScoredRow> Take() { return top_.Take(); }

 private:
  const MultiRows& rows_;
  const MultiQuery& query_;
  TopK top_;
  uint64_t work_ = 0;
};

tl::unexpected<Error> Stopped() {
  return Fail(ErrorCode::kTimeout, "the search was stopped or passed its deadline");
}

}  // namespace

Result<std::vector<ScoredRow>> ScanMultiRows(const MultiRows& rows, uint32_t row_count,
                                             const MultiQuery& query) {
  if (query.cancel.Expired()) return Stopped();
  MultiScan scan(rows, query);
  const uint32_t limit = std::min(row_count, query.filter.row_limit);
  for (size_t word = 0; word < BitmapWords(limit); ++word) {
    for (uint64_t bits = query.filter.Word(word, limit); bits != 0; bits &= bits - 1) {
      const auto row = static_cast<uint32_t>(word * 64 + std::countr_zero(bits));
      if (!scan.Add(row)) return Stopped();
    }
  }
  return scan.Take();
}

Result<std::vector<ScoredRow>> ScanMultiRows(const MultiRows& rows, uint32_t row_count,
                                             const MultiQuery& query,
                                             std::span<const uint32_t> candidates) {
  if (query.cancel.Expired()) return Stopped();
  MultiScan scan(rows, query);
  for (const uint32_t row : candidates) {
    if (row >= row_count || !query.filter.Counts(row)) continue;
    if (!scan.Add(row)) return Stopped();
  }
  return scan.Take();
}

}  // namespace almagest
