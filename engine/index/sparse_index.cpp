#include "engine/index/sparse_index.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "storage/base/check.h"

namespace almagest {
namespace {

std::string Name(std::string_view prefix, std::string_view part) {
  return std::string(prefix) + "." + std::string(part);
}

tl::unexpected<Error> Broken(const std::string& reason) {
  return Fail(ErrorCode::kCorruption, "a sparse index " + reason);
}

// The arrays' sizes and offsets: after this every list is inside of its arrays.
Result<> CheckOffsets(const SparseIndex::Arrays& a) {
  const uint64_t terms = a.meta.term_count;
  if (a.terms.size() != terms || a.postings_first.size() != terms + 1 ||
      a.blocks_first.size() != terms + 1 || a.rows.size() != a.meta.posting_count ||
      a.weights.size() != a.meta.posting_count) {
    return Broken("has arrays of the wrong size for " + std::to_string(terms) + " terms");
  }
  if (a.postings_first[0] != 0 || a.postings_first[terms] != a.meta.posting_count ||
      a.blocks_first[0] != 0 || a.blocks_first[terms] != a.blocks.size()) {
    return Broken("has offsets that do not cover its arrays");
  }
  for (uint64_t t = 0; t < terms; ++t) {
    if (t > 0 && a.terms[t] <= a.terms[t - 1]) return Broken("has terms out of order");
    if (a.postings_first[t] >= a.postings_first[t + 1] ||
        a.postings_first[t + 1] > a.meta.posting_count) {
      return Broken("has posting offsets out of order at term " + std::to_string(a.terms[t]));
    }
    const uint64_t postings = a.postings_first[t + 1] - a.postings_first[t];
    const uint64_t blocks = (postings + kPostingsPerBlock - 1) / kPostingsPerBlock;
    if (a.blocks_first[t] + blocks != a.blocks_first[t + 1]) {
      return Broken("has wrong block offsets at term " + std::to_string(a.terms[t]));
    }
  }
  return {};
}

// One list: rows ascending and in range, weights finite, blocks what their postings say.
bool ListIsSound(const PostingListView& list, uint32_t row_count) {
  for (size_t i = 0; i < list.rows.size(); ++i) {
    if (list.rows[i] >= row_count || (i > 0 && list.rows[i] <= list.rows[i - 1])) return false;
    if (!std::isfinite(list.weights[i])) return false;
  }
  for (size_t b = 0; b < list.blocks.size(); ++b) {
    const size_t first = b * kPostingsPerBlock;
    const size_t last = std::min(first + kPostingsPerBlock, list.rows.size()) - 1;
    const auto weights = list.weights.subspan(first, last - first + 1);
    const auto [low, high] = std::minmax_element(weights.begin(), weights.end());
    const PostingBlock& block = list.blocks[b];
    if (block.last_row != list.rows[last] || block.weight_min != *low ||
        block.weight_max != *high) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<SparseIndex> SparseIndex::Open(const SectionFile& file, std::string_view prefix) {
  Arrays a;
  ALMAGEST_TRY(a.meta, file.Value<SparseMeta>(Name(prefix, "meta")));
  ALMAGEST_TRY(a.terms, file.Array<uint32_t>(Name(prefix, "terms")));
  ALMAGEST_TRY(a.postings_first, file.Array<uint64_t>(Name(prefix, "postings")));
  ALMAGEST_TRY(a.blocks_first, file.Array<uint32_t>(Name(prefix, "blocks_first")));
  ALMAGEST_TRY(a.blocks, file.Array<PostingBlock>(Name(prefix, "blocks")));
  ALMAGEST_TRY(a.rows, file.Array<uint32_t>(Name(prefix, "rows")));
  ALMAGEST_TRY(a.weights, file.Array<float>(Name(prefix, "weights")));
  return FromArrays(a);
}

Result<SparseIndex> SparseIndex::FromArrays(const Arrays& arrays) {
  ALMAGEST_TRY_VOID(CheckOffsets(arrays));
  SparseIndex index;
  index.arrays_ = arrays;
  for (size_t t = 0; t < arrays.terms.size(); ++t) {
    if (!ListIsSound(index.Postings(t), arrays.meta.row_count)) {
      return Broken("has a damaged posting list of term " + std::to_string(arrays.terms[t]));
    }
  }
  return index;
}

Result<> SparseIndex::Write(SectionWriter& writer, std::string_view prefix) const {
  ALMAGEST_TRY_VOID(writer.AddValue(Name(prefix, "meta"), arrays_.meta));
  ALMAGEST_TRY_VOID(writer.AddArray(Name(prefix, "terms"), arrays_.terms));
  ALMAGEST_TRY_VOID(writer.AddArray(Name(prefix, "postings"), arrays_.postings_first));
  ALMAGEST_TRY_VOID(writer.AddArray(Name(prefix, "blocks_first"), arrays_.blocks_first));
  ALMAGEST_TRY_VOID(writer.AddArray(Name(prefix, "blocks"), arrays_.blocks));
  ALMAGEST_TRY_VOID(writer.AddArray(Name(prefix, "rows"), arrays_.rows));
  return writer.AddArray(Name(prefix, "weights"), arrays_.weights);
}

size_t SparseIndex::FindTerm(uint32_t term) const {
  const auto found = std::lower_bound(arrays_.terms.begin(), arrays_.terms.end(), term);
  if (found == arrays_.terms.end() || *found != term) return arrays_.terms.size();
  return static_cast<size_t>(found - arrays_.terms.begin());
}

uint32_t SparseIndex::PostingCount(uint32_t term) const {
  const size_t t = FindTerm(term);
  if (t == arrays_.terms.size()) return 0;
  return static_cast<uint32_t>(arrays_.postings_first[t + 1] - arrays_.postings_first[t]);
}

PostingListView SparseIndex::Postings(size_t term_number) const {
  const uint64_t first = arrays_.postings_first[term_number];
  const uint64_t count = arrays_.postings_first[term_number + 1] - first;
  const uint32_t first_block = arrays_.blocks_first[term_number];
  return {arrays_.rows.subspan(first, count), arrays_.weights.subspan(first, count),
          arrays_.blocks.subspan(first_block, arrays_.blocks_first[term_number + 1] - first_block)};
}

SparseIndex SparseIndexArrays::View() const {
  auto view =
      SparseIndex::FromArrays({meta, terms, postings_first, blocks_first, blocks, rows, weights});
  ALMAGEST_CHECK(view.has_value());
  return *view;
}

}  // namespace almagest
