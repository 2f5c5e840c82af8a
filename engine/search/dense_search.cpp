#include "engine/search/dense_search.h"

#include <cmath>

#include "engine/collection/row_factors.h"
#include "engine/collection/segment_builder.h"
#include "engine/index/code_graph_search.h"
#include "engine/index/exact_scan.h"
#include "engine/index/hnsw_search.h"
#include "engine/search/row_allowance.h"
#include "engine/search/seen_rows.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

CancelCheck CancelOf(const Deadline& deadline) {
  CancelCheck cancel;
  cancel.stop = deadline.cancelled;
  if (deadline.at) cancel.deadline = *deadline.at;
  return cancel;
}

// A query as the rows of one segment have to see it.
struct SegmentQuery {
  std::span<const float> vector;
  std::vector<float> own_vector;              // What `vector` shows, where it is of its own.
  std::shared_ptr<const RowFactors> factors;  // Keeps the adjustment's arrays alive.
  ScoreAdjustment adjustment;
  bool other_version = false;  // The rows' map differs from the query's.
  float constant = 0;          // Added to every score (fields that are not normalised).
};

// Factors for the rows that count now; computed on the way when the segment has none yet (it was
// written since the version was prepared) or has grown since.
Result<std::shared_ptr<const RowFactors>> FactorsFor(const VersionSet& versions,
                                                     const Segment& segment, FieldId field,
                                                     VersionId target, uint32_t rows,
                                                     const Deadline& deadline) {
  auto factors = segment.row_factors(field, versions.DocumentGroup(target));
  if (!factors || factors->scale.size() < rows) {
    const bool keep = versions.SameDocumentMap(target, versions.active());
    ALMAGEST_TRY(factors, PrepareRowFactors(versions, segment, field, target, keep, deadline));
  }
  ALMAGEST_CHECK(factors && factors->scale.size() >= rows);
  return factors;
}

Result<SegmentQuery> QueryForSegment(const DenseSearch& search, const VersionSet& versions,
                                     VersionId target, std::span<const float> mapped,
                                     const Segment& segment, VersionId row_version, uint32_t rows) {
  SegmentQuery query;
  query.vector = mapped;
  if (target == row_version) return query;
  ALMAGEST_TRY(auto cross, versions.Cross(target, row_version, search.deadline));
  if (!cross) return query;
  query.other_version = true;
  query.own_vector.resize(mapped.size());
  query.vector = query.own_vector;  // A move of the struct leaves the elements where they are.
  const float constant = cross->MapQuery(mapped, query.own_vector);
  if (!versions.normalised()) {
    query.constant = constant;
    return query;
  }
  ALMAGEST_TRY(query.factors,
               FactorsFor(versions, segment, search.field, target, rows, search.deadline));
  query.adjustment = {query.factors->scale.data(), query.factors->offset.data(), constant};
  return query;
}

// What was done in a segment, and why: for explanations.
struct Plan {
  const char* name = "scan";
  const char* reason = "";
};

Plan PlanOf(const DenseSearch& search, bool has_graph, bool scan, bool filtered) {
  if (!scan) return {"graph", filtered ? "many rows match" : "the segment has a graph"};
  return {filtered ? "scan of matches" : "scan", search.exact ? "exact scores were asked for"
                                                 : !has_graph ? "the segment has no graph"
                                                              : "few rows match"};
}

// Through the code graph, or all rows that count by a scan where the search asks for that.
Result<std::vector<ScoredRow>> SearchCodes(const DenseSearch& search,
                                           const Segment::DenseField& field,
                                           const DenseQuery& query, bool other_version,
                                           Plan& plan) {
  const bool filtered = query.filter.allowed_words != nullptr;
  plan = PlanOf(search, /*has_graph=*/true, search.exact, filtered);
  const bool floats = field.rows.data != nullptr;
  const CodeGraph& graph = *field.code_graph;
  if (search.exact) {
    return floats ? ExactScan(field.rows, query) : ScanCodeGraph(graph, query);
  }
  // A graph of another version's geometry is walked by scores that it was not made for.
  const uint32_t tuned = BeamWidthFor(field.beam_width, query.k) * (other_version ? 2 : 1);
  const uint32_t beam_width = search.params.beam_width.value_or(tuned);
  CodeSearchStats stats;
  const auto planned = [&](auto found) {
    if (stats.scanned) plan = PlanOf(search, /*has_graph=*/true, /*scan=*/true, filtered);
    return found;
  };
  if (graph.rows_exact() || !floats) {
    return planned(SearchCodeGraph(graph, query, beam_width, nullptr, &stats));
  }
  const QuantizedSearch& quantized = search.params.quantized;
  const bool rescored = quantized.ignore || quantized.rescore.value_or(field.rescored);
  size_t rescored_count = 0;
  if (quantized.oversampling) {
    rescored_count = static_cast<size_t>(
        std::min(std::ceil(static_cast<double>(query.k) * *quantized.oversampling), 65'536.0));
  }
  if (quantized.ignore) rescored_count = kScoreByExactRows;
  return planned(SearchCodeGraph(graph, query, beam_width, rescored ? &field.rows : nullptr, &stats,
                                 rescored_count));
}

Result<std::vector<ScoredRow>> SearchSegment(const DenseSearch& search, const Segment& segment,
                                             const Segment::DenseField& field,
                                             const SegmentQuery& segment_query,
                                             const SeenRows& seen, const RowAllowance* allowance,
                                             Plan& plan) {
  const uint32_t rows = seen.count();
  DenseQuery query;
  query.metric = MetricOf(search.distance);
  query.query = segment_query.vector.data();
  query.k = search.k;
  const uint32_t deleted = segment.deleted_count();
  if (deleted > 0 || !segment.sealed()) query.filter.deleted_words = seen.deleted_words();
  query.filter.allowed_words = allowance ? allowance->words.data() : nullptr;
  query.filter.row_limit = allowance ? std::min(rows, allowance->row_limit) : rows;
  query.adjustment = segment_query.adjustment;
  query.cancel = CancelOf(search.deadline);
  plan = {"scan", "the segment is growing"};
  if (field.growing_rows != nullptr) return ExactScan(*field.growing_rows, query);
  if (field.code_graph != nullptr) {
    if (!allowance) query.match_count = rows - std::min(rows, deleted);
    return SearchCodes(search, field, query, segment_query.other_version, plan);
  }
  const auto beam_width = static_cast<uint32_t>(
      std::max<size_t>(search.params.beam_width.value_or(kBeamWidthDefault), search.k));
  const size_t matches = allowance ? allowance->count : rows;
  const bool scan =
      search.exact || field.graph == nullptr || PreferExactScan(matches, rows, beam_width);
  plan = PlanOf(search, field.graph != nullptr, scan, allowance != nullptr);
  if (!scan) return SearchHnsw(*field.graph, field.rows, query, beam_width);
  if (allowance) return ExactScanRows(field.rows, query, allowance->Rows());
  return ExactScan(field.rows, query);
}

}  // namespace

float RestScore(Distance distance, float similarity) {
  switch (distance) {
    case Distance::kCosine:
    case Distance::kDot:
      return similarity;
    case Distance::kEuclid:
      return std::sqrt(std::max(0.0f, -similarity));
    case Distance::kManhattan:
      return std::max(0.0f, -similarity);
  }
  return similarity;
}

Result<std::vector<RankedSlot>> SearchDense(const CollectionView& view, const DenseSearch& search) {
  const VersionSet& versions = *view.versions.at(search.field);
  const VersionId target = search.as_version.value_or(versions.active());
  if (versions.Find(target) == nullptr) {
    return Fail(ErrorCode::kNotFound, "vector '" + std::string(search.vector_name) +
                                          "' has no version " + std::to_string(target));
  }
  std::vector<float> room;
  ALMAGEST_TRY(const std::span<const float> mapped,
               versions.MapQuery(target, search.base_query, room));
  std::vector<std::vector<RankedSlot>> lists;
  for (const auto& segment : view.segments) {
    if (search.params.indexed_only && !segment->sealed()) continue;
    std::optional<Stopwatch> stopwatch;
    if (search.trace != nullptr) stopwatch.emplace();
    SeenRows seen(*segment);
    const uint32_t rows = seen.count();
    const auto field = segment->dense(search.field);
    if (!field || rows == 0) continue;
    std::optional<RowAllowance> allowance;
    if (search.allowed != nullptr) allowance = AllowRows(*segment, *search.allowed);
    if (search.absent) KeepRowsWithout(*segment, search.field, *search.absent, rows, allowance);
    if (allowance && allowance->count == 0) continue;
    ALMAGEST_TRY(const SegmentQuery query,
                 QueryForSegment(search, versions, target, mapped, *segment, field->version, rows));
    Plan plan;
    std::vector<ScoredRow> found;
    do {
      ALMAGEST_TRY(found, SearchSegment(search, *segment, *field, query, seen,
                                        allowance ? &*allowance : nullptr, plan));
    } while (seen.DropSuperseded(found));
    std::vector<RankedSlot>& list = lists.emplace_back();
    list.reserve(found.size());
    for (const ScoredRow& row : found) {
      list.push_back({segment->slot_of(row.row), row.score + query.constant});
    }
    if (search.trace != nullptr) {
      search.trace->push_back({segment->id(), segment->sealed(), rows,
                               allowance ? allowance->count : rows, plan.name, plan.reason,
                               field->version, stopwatch->seconds()});
    }
  }
  return MergeSegments(std::move(lists), search.k);
}

}  // namespace almagest
