#include "engine/index/sparse_term_search.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>

#include "engine/index/sparse_hits.h"
#include "engine/index/sparse_kernels.h"
#include "engine/index/sparse_rest_terms.h"
#include "engine/index/sparse_row_sums.h"

namespace almagest {
namespace {

// Up to so many rows, going through a dense term's postings costs less than looking at many of its
// blocks: only terms that give this share of the score at most are left out.
constexpr uint32_t kSmallRows = 16'384;
constexpr double kSmallShare = 0.08;
// The other plan is quicker where dense terms could give more than this share of a score, whatever
// the counts of terms and postings. Measured on both kinds of sets (decision 5).
constexpr double kRestShareMax = 0.3;
// So few postings take a few microseconds either way; one way for all of them keeps its code warm.
constexpr size_t kFewPostings = 2000;
// About so many blocks are scored first if no score to reach is known.
constexpr size_t kFirstBlocks = 8;
// Parts are added up in float for bounds: far from what it cannot hold.
constexpr double kSmallestPart = 1e-30;
constexpr double kLargestPart = 1e30;
constexpr float kSmallestReach = 1e-36f;
constexpr size_t kTermsMax = 64;
constexpr double kReachSlack = 1.0 - 2e-5;  // More than kTermsMax roundings to float.
// Less than the product of any two floats above 0.
constexpr double kSmallestProduct = 1e-300;
// Cache lines that are fetched of each listed term before the first is added up.
constexpr size_t kLinesAhead = 8;
// So many more of the next one, before one is added up.
constexpr size_t kLinesMore = 16;
constexpr size_t kPostingsPerLine = 64 / sizeof(SparsePosting);
constexpr size_t kRowsAhead = 32;

struct TermScratch {
  SparseRowSums sums;
  SparseRestTerms rest;
  std::vector<uint32_t> used;        // Of each added term's postings.
  std::vector<float> reach;          // By sum: what it can become. -infinity: scored already.
  std::vector<uint32_t> candidates;  // Numbers of sums, or blocks,
  std::vector<float> refined;        // and what these sums can become.
  std::vector<float> largest;
};

class TermSearch {
 public:
  TermSearch(const SparseIndex::Arrays& arrays, const SparseQuery& query,
             const SparseQueryTerms& terms, const SparseTermSplit& split, TermScratch& scratch)
      : arrays_(arrays),
        query_(query),
        terms_(terms.terms),
        split_(split),
        in_(scratch),
        hits_(arrays, query),
        slack_(static_cast<double>(terms_.size()) * 0x1p-51) {}

  Result<std::vector<ScoredRow>> Run() {
    PrefetchListed();
    in_.sums.Start(arrays_.meta.row_count, split_.additions);
    in_.used.assign(split_.added.size(), 0);
    const uint32_t chunk_count = ChunkCount(arrays_.meta.row_count);
    for (uint32_t chunk = 0; chunk < chunk_count; chunk += kWindowChunks) {
      if (query_.cancel.Expired()) {
        return Fail(ErrorCode::kTimeout, "the search was stopped or passed its deadline");
      }
      window_ = {chunk * kRowsPerChunk, std::min(chunk_count - chunk, kWindowChunks)};
      in_.rest.Start(arrays_, split_.rest, window_);
      for (size_t t = 0; t < split_.added.size(); ++t) {
        if (t + 1 < split_.added.size())
          PrefetchLines(split_.added[t + 1], kLinesAhead, kLinesMore);
        in_.sums.Add(arrays_, split_.added[t], window_, in_.used[t]);
      }
      ScoreSums();
      if (!in_.rest.empty()) ScoreOtherRows();
      in_.sums.Clear();
    }
    return hits_.Take();
  }

 private:
  void PrefetchListed() const {
    for (const SparseQueryTerm& term : split_.added) PrefetchLines(term, 0, kLinesAhead);
  }
  void PrefetchLines(const SparseQueryTerm& term, size_t first, size_t lines) const {
    if (!term.is_listed()) return;
    const size_t end =
        std::min<size_t>(term.list.posting_count, (first + lines) * kPostingsPerLine);
    for (size_t i = first * kPostingsPerLine; i < end; i += kPostingsPerLine) {
      __builtin_prefetch(arrays_.listed_postings.data() + term.list.first + i);
    }
  }

  // What a sum has to be able to become to change the result.
  float ReachNeeded() const { return static_cast<float>(hits_.SumToReach() * kReachSlack); }

  // Rows with a sum: the best of these first, then all others that still can change the result.
  void ScoreSums() {
    const size_t count = in_.sums.count();
    if (count == 0) return;
    if (in_.reach.size() < count + kBlocksPerChunk) in_.reach.resize(count + kBlocksPerChunk);
    float* const reach = in_.reach.data();
    ToFloats(in_.sums.sums() + 1, count, kSmallestReach, reach);
    ScoreLeaders(count);
    RefineCandidates(count);
    ScoreRefined();
  }

  // The k rows with the largest sums of those that count: their scores are near to what others have
  // to reach. Their `reach` is -infinity then.
  void ScoreLeaders(size_t count) {
    float* const reach = in_.reach.data();
    const size_t chunks = (count + kBlocksPerChunk - 1) / kBlocksPerChunk;
    std::fill_n(reach + count, chunks * kBlocksPerChunk - count, -1.0f);
    in_.largest.assign(chunks + kLanesMax, -1.0f);
    LargestBounds(reach, chunks, in_.largest.data());
    const double low = hits_.SumToReach() * kReachSlack - in_.rest.most();
    in_.candidates.clear();
    while (in_.candidates.size() < query_.k) {
      float most = -1.0f;
      const size_t place = TakeLargest(reach, in_.largest.data(), chunks, &most);
      if (!(most > 0.0f) || most < low) break;
      const auto number = static_cast<uint32_t>(place + 1);
      const uint32_t position = in_.sums.PositionOf(number);
      if (!hits_.Counts(window_.first + position)) continue;
      // What scores need is on its way while the next ones are found.
      in_.rest.PrefetchBlock(position);
      hits_.Prefetch(window_.first + position);
      if (!in_.candidates.empty()) {
        in_.rest.Prefetch(in_.sums.PositionOf(in_.candidates.back()));
      }
      in_.candidates.push_back(number);
    }
    for (const uint32_t number : in_.candidates) ScoreSum(number);
  }

  // The sums that can still change the result: not ruled out by what the rest gives any row, nor
  // their block, nor their quarter of it.
  void RefineCandidates(size_t count) {
    if (in_.candidates.size() < count + kLanesMax) in_.candidates.resize(count + kLanesMax);
    if (in_.refined.size() < count) in_.refined.resize(count);
    const float needed = ReachNeeded();
    uint32_t* const candidates = in_.candidates.data();
    float* const refined = in_.refined.data();
    const float* const reach = in_.reach.data();
    const uint32_t* const positions = in_.sums.positions();
    const auto low = static_cast<float>(hits_.SumToReach() * kReachSlack - in_.rest.most());
    const size_t possible = PlacesAtLeast(reach, count, low, candidates);
    if (in_.rest.empty()) {
      for (size_t i = 0; i < possible; ++i) {
        refined[i] = reach[candidates[i]];
        ++candidates[i];
      }
      in_.candidates.resize(possible);
      return;
    }
    const float* const bounds = in_.rest.bounds().data();
    size_t in_blocks = 0;
    for (size_t i = 0; i < possible; ++i) {  // Branches would not be predicted.
      const uint32_t number = candidates[i] + 1;
      const float most = reach[number - 1] + bounds[positions[number] / kRowsPerBlock];
      candidates[in_blocks] = number;
      in_blocks += most >= needed ? 1 : 0;
    }
    for (size_t i = 0; i < in_blocks; ++i) in_.rest.PrefetchBlock(positions[candidates[i]]);
    size_t in_quarters = 0;
    for (size_t i = 0; i < in_blocks; ++i) {
      const uint32_t number = candidates[i];
      const float most = reach[number - 1] + in_.rest.QuarterBound(positions[number]);
      candidates[in_quarters] = number;
      refined[in_quarters] = most;
      in_quarters += most >= needed ? 1 : 0;
    }
    in_.candidates.resize(in_quarters);
  }

  void ScoreRefined() {
    const std::vector<uint32_t>& candidates = in_.candidates;
    const auto prefetch = [&](size_t i) {
      const uint32_t position = in_.sums.PositionOf(candidates[i]);
      in_.rest.Prefetch(position);
      hits_.Prefetch(window_.first + position);
    };
    for (size_t i = 0; i < std::min(kRowsAhead, candidates.size()); ++i) prefetch(i);
    float needed = ReachNeeded();
    for (size_t i = 0; i < candidates.size(); ++i) {
      const size_t ahead = i + kRowsAhead;
      if (ahead < candidates.size() && in_.refined[ahead] >= needed) prefetch(ahead);
      if (in_.refined[i] < needed) continue;
      ScoreSum(candidates[i]);
      needed = ReachNeeded();
    }
  }

  void ScoreSum(uint32_t number) {
    const uint32_t position = in_.sums.PositionOf(number);
    const double rest = in_.rest.empty() ? 0.0 : in_.rest.SumOf(position);
    Push(position, in_.sums.SumOf(number) + rest);
  }

  // Rows without a sum, in blocks where the rest alone can change the result.
  void ScoreOtherRows() {
    if (in_.rest.most() < hits_.SumToReach() * kReachSlack) return;
    std::vector<float>& bounds = in_.rest.bounds();
    const size_t chunks = window_.chunk_count;
    in_.candidates.clear();
    CollectAtLeast(bounds.data(), chunks, ReachNeeded());
    if (in_.candidates.size() > 2 * kFirstBlocks) {
      // The best ones first: then there is more to reach for the others.
      in_.largest.resize(chunks);
      LargestBounds(bounds.data(), chunks, in_.largest.data());
      const auto nth =
          in_.largest.begin() + static_cast<ptrdiff_t>(std::min(kFirstBlocks, chunks) - 1);
      std::nth_element(in_.largest.begin(), nth, in_.largest.end(), std::greater<>());
      in_.candidates.clear();
      CollectAtLeast(bounds.data(), chunks, std::max(*nth, ReachNeeded()));
      ScoreBlocks();
      in_.candidates.clear();
      CollectAtLeast(bounds.data(), chunks, ReachNeeded());
    }
    ScoreBlocks();
  }

  // The places of all values above 0 that are at least `low` become candidates.
  void CollectAtLeast(const float* values, size_t chunks, float low) {
    for (size_t chunk = 0; chunk < chunks; ++chunk) {
      const auto first = static_cast<uint32_t>(chunk * kBlocksPerChunk);
      uint64_t high = BoundsAtLeast(values + first, low);
      for (; high != 0; high &= high - 1) {
        in_.candidates.push_back(first + static_cast<uint32_t>(std::countr_zero(high)));
      }
    }
  }

  void ScoreBlocks() {
    std::vector<float>& bounds = in_.rest.bounds();
    for (const uint32_t block : in_.candidates) {
      if (bounds[block] < ReachNeeded()) continue;
      const auto sums = in_.rest.SumsOf(block);
      uint32_t rows = SumsAtLeast(sums.data(), std::max(hits_.SumToReach(), kSmallestProduct));
      for (; rows != 0; rows &= rows - 1) {
        const auto place = static_cast<uint32_t>(std::countr_zero(rows));
        const uint32_t position = block * kRowsPerBlock + place;
        if (!in_.sums.Has(position)) Push(position, sums[place]);
      }
      bounds[block] = 0.0f;
    }
  }

  // Sums were added up in another order than the one that defines scores. That changes them by a
  // few 2^-53ths, and the score only if they are that near to the middle of two floats.
  void Push(uint32_t position, double sum) {
    auto score = static_cast<float>(sum * (1.0 - slack_));
    if (score != static_cast<float>(sum * (1.0 + slack_))) {
      score = static_cast<float>(SumByAscendingTerm(window_.first + position));
    }
    hits_.Push(window_.first + position, score);
  }

  double SumByAscendingTerm(uint32_t position) const {
    double sum = 0.0;
    for (const SparseQueryTerm& term : terms_) {
      if (const auto weight = WeightAt(term.list, position)) sum += term.weight * double{*weight};
    }
    return sum;
  }

  std::optional<float> WeightAt(const SparseList& list, uint32_t position) const {
    if (list.dense_number == kNoNumber) {
      const auto postings = arrays_.listed_postings.subspan(list.first, list.posting_count);
      const auto found = std::lower_bound(postings.begin(), postings.end(), position,
                                          [](const SparsePosting& posting, uint32_t wanted) {
                                            return posting.position() < wanted;
                                          });
      if (found == postings.end() || found->position() != position) return std::nullopt;
      return found->weight;
    }
    const uint32_t block = position / kRowsPerBlock;
    const DensePiece piece = PieceOf(arrays_, list, block, block + 1);
    for (uint32_t i = 0; i < piece.count; ++i) {
      const uint8_t* posting = piece.postings + size_t{i} * kDensePostingBytes;
      if (*posting != position % kRowsPerGroup) continue;
      float weight;
      std::memcpy(&weight, posting + 1, sizeof weight);
      return weight;
    }
    return std::nullopt;
  }

  static constexpr size_t kLanesMax = 16;  // TakeLargest reads whole vectors.

  const SparseIndex::Arrays& arrays_;
  const SparseQuery& query_;
  const std::vector<SparseQueryTerm>& terms_;
  const SparseTermSplit& split_;
  TermScratch& in_;
  SparseHits hits_;
  double slack_;
  SparseWindow window_;
};

}  // namespace

bool SparseTermSplit::Choose(const SparseQueryTerms& terms, uint32_t row_count) {
  added.clear();
  rest.clear();
  additions = 0;
  rest_share = 0.0;
  rest_postings = 0;
  if (!terms.only_positive || terms.terms.size() > kTermsMax) return false;
  double total = 0.0;
  for (const SparseQueryTerm& term : terms.terms) {
    if (!(term.most() >= kSmallestPart && term.most() <= kLargestPart)) return false;
    total += term.most();
    (term.is_listed() ? added : rest).push_back(term);
  }
  const auto heavier = [](const SparseQueryTerm& a, const SparseQueryTerm& b) {
    return a.most() > b.most();
  };
  if (row_count <= kSmallRows) {
    std::sort(rest.begin(), rest.end(), heavier);
    double left_out = 0.0;
    size_t first = rest.size();
    while (first > 0 && left_out + rest[first - 1].most() <= kSmallShare * total) {
      left_out += rest[--first].most();
    }
    added.insert(added.end(), rest.begin(), rest.begin() + static_cast<ptrdiff_t>(first));
    rest.erase(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(first));
  }
  std::sort(added.begin(), added.end(), heavier);
  for (const SparseQueryTerm& term : added) additions += term.list.posting_count;
  for (const SparseQueryTerm& term : rest) {
    rest_share += term.most() / total;
    rest_postings += term.list.posting_count;
  }
  return additions <= SparseRowSums::kAdditionsMax;
}

bool SparseTermSplit::IsPreferred(uint32_t row_count) const {
  if (row_count <= kSmallRows) return true;
  return rest_share <= kRestShareMax || additions + rest_postings <= kFewPostings;
}

Result<std::vector<ScoredRow>> SearchByTerms(const SparseIndex::Arrays& arrays,
                                             const SparseQuery& query,
                                             const SparseQueryTerms& terms,
                                             const SparseTermSplit& split) {
  thread_local TermScratch scratch;
  return TermSearch(arrays, query, terms, split, scratch).Run();
}

}  // namespace almagest
