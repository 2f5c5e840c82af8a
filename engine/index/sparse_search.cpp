// Exact top-k over a sealed sparse index: bounds of all blocks, then batches of the most promising
// blocks are scored until no other can reach the result.
#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#include "engine/index/sparse_blocks.h"
#include "engine/index/sparse_bounds.h"
#include "engine/index/sparse_hits.h"
#include "engine/index/sparse_index.h"
#include "engine/index/sparse_kernels.h"
#include "engine/index/sparse_term_search.h"

namespace almagest {
namespace {

// The first batch finds a score to reach; it has about as many blocks. The second makes that score
// nearly final: by then a few hundred blocks are left of half a million rows of 120 terms.
constexpr size_t kFirstBlocks = 8;
constexpr size_t kSecondBlocks = 64;
// If so few are left, they are scored at once.
constexpr size_t kFewBlocks = 256;
// Looking at heavy terms first pays only for queries of more terms.
constexpr size_t kNarrowedTermsMin = 16;
// Less than the product of any two floats above 0.
constexpr double kSmallestProduct = 1e-300;

struct BlockScratch {
  SparseQueryTerms terms;
  SparseTermSplit split;
  SparseBounds bounds;
  SparseBlocks blocks;
  std::vector<uint32_t> candidates;
  std::vector<float> largest;
};

class BlockSearch {
 public:
  BlockSearch(const SparseIndex::Arrays& arrays, const SparseQuery& query, BlockScratch& scratch)
      : arrays_(arrays),
        query_(query),
        bounds_(scratch.bounds),
        blocks_(scratch.blocks),
        candidates_(scratch.candidates),
        largest_(scratch.largest),
        hits_(arrays, query) {}

  Result<std::vector<ScoredRow>> Run() {
    blocks_.Start(arrays_, bounds_);
    CollectCandidates(FirstBound());
    size_t batch = std::min(candidates_.size(), 2 * kFirstBlocks);
    bool collected_all = false;
    while (true) {
      if (query_.cancel.Expired()) {
        return Fail(ErrorCode::kTimeout, "the search was stopped or passed its deadline");
      }
      ScoreBatch(batch);
      if (!collected_all) {
        CollectCandidates(BoundToReach());
        collected_all = true;
        batch = candidates_.size() <= kFewBlocks ? candidates_.size() : kSecondBlocks;
      } else {
        const float reach = BoundToReach();
        std::erase_if(candidates_, [&](uint32_t b) { return bounds_.blocks[b] < reach; });
        batch = std::min(candidates_.size(), kBlocksPerBatchMax);
      }
      if (candidates_.empty()) return hits_.Take();
    }
  }

 private:
  // Blocks with less cannot change the result.
  float BoundToReach() const { return hits_.full() ? bounds_.BoundOf(hits_.threshold()) : 0.0f; }

  // Smaller sums are no hits, given that hits have a sum above 0.
  double SumToReach() const { return std::max(hits_.SumToReach(), kSmallestProduct); }

  void PrefetchRows() const {
    for (const uint32_t block : blocks_.chosen()) {
      const size_t first = size_t{block} * kRowsPerBlock;
      if (first + kRowsPerBlock > arrays_.row_of.size()) continue;
      __builtin_prefetch(arrays_.row_of.data() + first);
      __builtin_prefetch(arrays_.row_of.data() + first + kRowsPerBlock / 2);
    }
  }

  // What about kFirstBlocks blocks have.
  float FirstBound() {
    largest_ = bounds_.chunks;
    const size_t place = std::min(kFirstBlocks, largest_.size()) - 1;
    const auto nth = largest_.begin() + static_cast<ptrdiff_t>(place);
    std::nth_element(largest_.begin(), nth, largest_.end(), std::greater<>());
    return *nth;
  }

  void CollectCandidates(float reach) {
    candidates_.clear();
    for (uint32_t chunk = 0; chunk < bounds_.chunks.size(); ++chunk) {
      if (bounds_.chunks[chunk] < reach || bounds_.chunks[chunk] == 0.0f) continue;
      const uint32_t first = chunk * kBlocksPerChunk;
      uint64_t high = BoundsAtLeast(bounds_.blocks.data() + first, reach);
      for (; high != 0; high &= high - 1) {
        candidates_.push_back(first + static_cast<uint32_t>(std::countr_zero(high)));
      }
    }
  }

  // Scores the `count` candidates with the largest bounds and takes them out.
  void ScoreBatch(size_t count) {
    if (count == 0) return;
    std::vector<float>& bounds = bounds_.blocks;
    const auto end = candidates_.begin() + static_cast<ptrdiff_t>(count);
    if (count < candidates_.size()) {
      std::nth_element(candidates_.begin(), end - 1, candidates_.end(),
                       [&](uint32_t a, uint32_t b) { return bounds[a] > bounds[b]; });
    }
    if (!std::is_sorted(candidates_.begin(), end)) std::sort(candidates_.begin(), end);
    blocks_.Choose({candidates_.data(), count});
    if (!arrays_.row_of.empty()) PrefetchRows();
    const float threshold = hits_.threshold();
    const bool has_score_to_reach = hits_.full() && threshold > 0.0f;
    // Else a sum of 0 or less may be a hit.
    const bool by_score = has_score_to_reach || bounds_.only_positive;
    if (has_score_to_reach && count > kFirstBlocks && bounds_.terms.size() >= kNarrowedTermsMin) {
      blocks_.Narrow(std::min(threshold, std::numeric_limits<float>::max()));
    }
    if (!blocks_.chosen().empty()) blocks_.AddAll(!by_score);
    for (size_t number = 0; number < blocks_.chosen().size(); ++number) {
      const double* sums = blocks_.SumsOf(number);
      uint32_t rows = by_score ? SumsAtLeast(sums, SumToReach()) : blocks_.RowsWithTerms(number);
      for (; rows != 0; rows &= rows - 1) {
        const auto place = static_cast<uint32_t>(std::countr_zero(rows));
        hits_.Push(blocks_.chosen()[number] * kRowsPerBlock + place,
                   static_cast<float>(sums[place]));
      }
    }
    blocks_.Release();
    for (auto block = candidates_.begin(); block != end; ++block) bounds[*block] = 0.0f;
    candidates_.erase(candidates_.begin(), end);
  }

  const SparseIndex::Arrays& arrays_;
  const SparseQuery& query_;
  SparseBounds& bounds_;
  SparseBlocks& blocks_;
  std::vector<uint32_t>& candidates_;
  std::vector<float>& largest_;
  SparseHits hits_;
};

}  // namespace

Result<std::vector<ScoredRow>> SparseIndex::Search(const SparseQuery& query) const {
  ALMAGEST_TRY_VOID(ValidateSparse(query.query));
  if (query.k == 0) return std::vector<ScoredRow>{};
  thread_local BlockScratch scratch;
  const SparseQueryTerms& terms = scratch.terms;
  ALMAGEST_TRY_VOID(scratch.terms.Find(arrays_, query.query));
  if (terms.terms.empty()) return std::vector<ScoredRow>{};
  if (query.plan != SparsePlan::kBlocks && scratch.split.Choose(terms, arrays_.meta.row_count) &&
      (query.plan == SparsePlan::kTerms ||
       (scratch.split.IsPreferred(arrays_.meta.row_count) &&
        !SparseBounds::HasFewRows(arrays_.meta.row_count, query.filter)))) {
    return SearchByTerms(arrays_, query, terms, scratch.split);
  }
  scratch.bounds.Compute(arrays_, terms);
  if (query.filter.allowed_words != nullptr && !scratch.bounds.Restrict(arrays_, query.filter)) {
    return std::vector<ScoredRow>{};
  }
  return BlockSearch(arrays_, query, scratch).Run();
}

}  // namespace almagest
