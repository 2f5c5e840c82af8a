#include "engine/index/sparse_index.h"

#include <algorithm>
#include <string>

#include "engine/index/sparse_term_finder.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

std::string Name(std::string_view prefix, std::string_view part) {
  return std::string(prefix) + "." + std::string(part);
}

// Visits every array with the name of its section; both kinds of Arrays have the same members.
template <class AnyArrays, class Visit>
void ForEachArray(AnyArrays& arrays, Visit visit) {
  visit("terms", arrays.terms);
  visit("lists", arrays.lists);
  visit("listed", arrays.listed_postings);
  visit("pieces", arrays.dense_postings);
  visit("maxima", arrays.maxima);
  visit("starts", arrays.starts);
  visit("directories", arrays.directories);
  visit("row_of", arrays.row_of);
  visit("position_of", arrays.position_of);
}

}  // namespace

Result<SparseIndex> SparseIndex::Open(const SectionFile& file, std::string_view prefix) {
  Arrays arrays;
  ALMAGEST_TRY(arrays.meta, file.Value<SparseMeta>(Name(prefix, "meta")));
  Result<> read;
  ForEachArray(arrays, [&]<class T>(std::string_view part, std::span<const T>& array) {
    if (!read.has_value()) return;
    auto section = file.Array<T>(Name(prefix, part));
    if (section.has_value()) {
      array = *section;
    } else {
      read = tl::unexpected<Error>(std::move(section.error()));
    }
  });
  ALMAGEST_TRY_VOID(std::move(read));
  return FromArrays(arrays);
}

Result<SparseIndex> SparseIndex::FromArrays(const Arrays& arrays) {
  const uint64_t blocks = uint64_t{ChunkCount(arrays.meta.row_count)} * kBlocksPerChunk;
  const auto is_multiple = [](uint64_t size, uint64_t of) {
    return of == 0 ? size == 0 : size % of == 0;
  };
  const bool is_sound =
      arrays.meta.row_count <= kSparseRowsMax && arrays.terms.size() == arrays.meta.term_count &&
      arrays.lists.size() == arrays.meta.term_count &&
      arrays.dense_postings.size() % kDensePostingBytes == 0 &&
      arrays.listed_postings.size() + arrays.dense_postings.size() / kDensePostingBytes ==
          arrays.meta.posting_count &&
      arrays.maxima.size() == arrays.starts.size() && is_multiple(arrays.maxima.size(), blocks) &&
      is_multiple(arrays.directories.size(), blocks / kBlocksPerChunk) &&
      arrays.row_of.size() == arrays.position_of.size() &&
      (arrays.row_of.empty() || arrays.row_of.size() == arrays.meta.row_count);
  if (!is_sound) {
    return Fail(ErrorCode::kCorruption,
                "a sparse index has arrays whose sizes do not agree with its " +
                    std::to_string(arrays.meta.row_count) + " rows, " +
                    std::to_string(arrays.meta.term_count) + " terms and " +
                    std::to_string(arrays.meta.posting_count) + " postings");
  }
  SparseIndex index;
  index.arrays_ = arrays;
  return index;
}

Result<> SparseIndex::Write(SectionWriter& writer, std::string_view prefix) const {
  ALMAGEST_TRY_VOID(writer.AddValue(Name(prefix, "meta"), arrays_.meta));
  Result<> written;
  ForEachArray(arrays_, [&](std::string_view part, const auto& array) {
    if (written.has_value()) written = writer.AddArray(Name(prefix, part), array);
  });
  return written;
}

size_t SparseIndex::bytes() const {
  size_t bytes = sizeof(SparseMeta);
  ForEachArray(arrays_, [&](std::string_view, const auto& array) { bytes += array.size_bytes(); });
  return bytes;
}

size_t SparseIndex::FindTerm(uint32_t term) const {
  const SparseTermFinder finder(arrays_.terms);
  return finder.Find(term, finder.Correct(term, finder.Guess(term)));
}

uint32_t SparseIndex::PostingCount(uint32_t term) const {
  const size_t number = FindTerm(term);
  return number == arrays_.terms.size() ? 0 : arrays_.lists[number].posting_count;
}

SparseIndex SparseIndexArrays::View() const {
  const auto view = SparseIndex::FromArrays({meta, terms, lists, listed_postings, dense_postings,
                                             maxima, starts, directories, row_of, position_of});
  ALMAGEST_CHECK(view.has_value());
  return *view;
}

}  // namespace almagest
