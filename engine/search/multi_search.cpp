#include "engine/search/multi_search.h"

#include <algorithm>
#include <optional>

#include "engine/collection/segment_builder.h"
#include "engine/collection/vector_values.h"
#include "engine/index/multi_scan.h"
#include "engine/search/row_allowance.h"
#include "engine/search/seen_rows.h"

namespace almagest {
namespace {

MaxSim PrepareQuery(const MultiSearch& search) {
  const Metric metric = MetricOf(search.field.dense.distance);
  const size_t dimension = search.query->dimension;
  if (search.field.dense.distance != Distance::kCosine) {
    return MaxSim(metric, search.query->values, dimension);
  }
  std::vector<float> normalised = search.query->values;
  for (size_t row = 0; row < search.query->rows(); ++row) {
    NormalizeCosine(std::span(normalised).subspan(row * dimension, dimension));
  }
  return MaxSim(metric, normalised, dimension);
}

}  // namespace

Result<std::vector<RankedSlot>> SearchMulti(const CollectionView& view, const MultiSearch& search) {
  const MaxSim max_sim = PrepareQuery(search);
  MultiQuery query;
  query.query = &max_sim;
  query.k = search.k;
  query.cancel.stop = search.deadline.cancelled;
  if (search.deadline.at) query.cancel.deadline = *search.deadline.at;
  std::vector<std::vector<RankedSlot>> lists;
  for (const auto& segment : view.segments) {
    if (search.indexed_only && !segment->sealed()) continue;
    const Stopwatch stopwatch;
    SeenRows seen(*segment);
    const uint32_t rows = seen.count();
    const MultiRows* field = segment->multi(search.field.id);
    if (field == nullptr || rows == 0) continue;
    query.filter.row_limit = rows;
    query.filter.deleted_words = seen.deleted_words();
    uint64_t matches = rows;
    std::optional<RowAllowance> allowance;
    if (search.allowed != nullptr) {
      allowance = AllowRows(*segment, *search.allowed);
      matches = allowance->count;
      if (matches == 0) continue;
    }
    std::vector<ScoredRow> found;
    do {
      if (allowance) {
        ALMAGEST_TRY(found, ScanMultiRows(*field, rows, query, allowance->Rows()));
      } else {
        ALMAGEST_TRY(found, ScanMultiRows(*field, rows, query));
      }
    } while (seen.DropSuperseded(found));
    std::vector<RankedSlot>& list = lists.emplace_back();
    list.reserve(found.size());
    for (const ScoredRow& row : found) list.push_back({segment->slot_of(row.row), row.score});
    if (search.trace != nullptr) {
      search.trace->push_back({segment->id(), segment->sealed(), rows, matches,
                               search.allowed != nullptr ? "scan of matches" : "scan",
                               "multi-vectors have no graph", 0, stopwatch.seconds()});
    }
  }
  return MergeSegments(std::move(lists), search.k);
}

float MultiSimilarity(Distance distance, const MultiVector& query, const MultiVector& document) {
  return MaxSim(MetricOf(distance), query.values, query.dimension).Score(document.values);
}

}  // namespace almagest
