#include "engine/search/sparse_search.h"

#include "engine/search/row_allowance.h"
#include "engine/search/seen_rows.h"

namespace almagest {

Result<std::vector<RankedSlot>> SearchSparse(const Collection& collection,
                                             const CollectionView& view,
                                             const SparseSearch& search) {
  std::vector<float> weights = search.query->values;
  if (search.field.sparse.idf) {
    const std::vector<float> idf = search.idf != nullptr
                                       ? *search.idf
                                       : collection.Idf(search.field.id, search.query->indices);
    for (size_t i = 0; i < weights.size(); ++i) weights[i] *= idf[i];
  }
  std::vector<std::vector<RankedSlot>> lists;
  for (const auto& segment : view.segments) {
    if (search.indexed_only && !segment->sealed()) continue;
    const SparseIndex* sealed = segment->sparse(search.field.id);
    const GrowingSparseIndex* growing = segment->growing_sparse(search.field.id);
    SeenRows seen(*segment);
    const uint32_t rows = seen.count();
    const Stopwatch stopwatch;
    if ((sealed == nullptr && growing == nullptr) || rows == 0) continue;
    std::optional<RowAllowance> allowance;
    if (search.allowed != nullptr) {
      allowance = AllowRows(*segment, *search.allowed);
      if (allowance->count == 0) continue;
    }
    SparseQuery query;
    query.query = {search.query->indices, weights};
    query.k = search.k;
    query.filter.deleted_words = seen.deleted_words();
    query.filter.allowed_words = allowance ? allowance->words.data() : nullptr;
    query.filter.row_limit = allowance ? std::min(rows, allowance->row_limit) : rows;
    query.cancel.stop = search.deadline.cancelled;
    if (search.deadline.at) query.cancel.deadline = *search.deadline.at;
    std::vector<ScoredRow> found;
    do {
      ALMAGEST_TRY(found, sealed != nullptr ? sealed->Search(query) : growing->Search(query));
    } while (seen.DropSuperseded(found));
    std::vector<RankedSlot>& list = lists.emplace_back();
    list.reserve(found.size());
    for (const ScoredRow& row : found) list.push_back({segment->slot_of(row.row), row.score});
    if (search.trace != nullptr) {
      search.trace->push_back({segment->id(), segment->sealed(), rows,
                               allowance ? allowance->count : rows, "posting lists",
                               "sparse vectors are searched exactly", 0, stopwatch.seconds()});
    }
  }
  return MergeSegments(std::move(lists), search.k);
}

}  // namespace almagest
