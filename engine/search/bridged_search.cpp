#include "engine/search/bridged_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/collection/field_table.h"
#include "engine/search/row_allowance.h"

namespace almagest {
namespace {

// The best by the old vector among the points that have no new one; empty if no point has only it,
// or if the old field was removed since the view was taken.
Result<std::vector<RankedSlot>> SearchOld(const Collection& collection, const CollectionView& view,
                                          const DenseSearch& search, const Bridge& bridge) {
  const BridgeRecord& record = bridge.record();
  const CollectionField* field = collection.FindDenseField(record.to_name);
  if (field == nullptr || field->id != record.to) return std::vector<RankedSlot>();
  const bool any = std::ranges::any_of(view.segments, [&](const auto& segment) {
    return HasRowsWithout(*segment, record.to, record.from);
  });
  if (!any) return std::vector<RankedSlot>();
  const std::vector<float> mapped = bridge.MapQuery(search.base_query);
  DenseSearch old = search;
  old.vector_name = record.to_name;
  old.field = record.to;
  old.distance = field->distance;
  old.base_query = mapped;
  old.as_version.reset();  // It names one of the new field's.
  old.absent = record.from;
  const size_t traced = search.trace != nullptr ? search.trace->size() : 0;
  ALMAGEST_TRY(auto by_old, SearchDense(view, old));
  if (search.trace != nullptr) {
    for (size_t i = traced; i < search.trace->size(); ++i) {
      SegmentTrace& segment = (*search.trace)[i];
      segment.reason = "points without the vector, by bridge " + std::to_string(record.id) +
                       " to '" + record.to_name + "': " + segment.reason;
    }
  }
  CalibrateRanked(bridge.curve(), by_old);
  return by_old;
}

// Each point once: one that got its new vector between the two searches is in both lists.
std::vector<RankedSlot> Merged(std::vector<RankedSlot> by_new,
                               const std::vector<RankedSlot>& by_old, size_t k) {
  if (by_old.empty()) return by_new;
  std::vector<Slot> found;
  found.reserve(by_new.size());
  for (const RankedSlot& entry : by_new) found.push_back(entry.slot);
  std::ranges::sort(found);
  for (const RankedSlot& entry : by_old) {
    if (!std::ranges::binary_search(found, entry.slot)) by_new.push_back(entry);
  }
  std::ranges::sort(by_new, RanksBefore);
  if (by_new.size() > k) by_new.resize(k);
  return by_new;
}

// How many rows each growing segment of a view has.
std::vector<uint32_t> GrowingRowCounts(const CollectionView& view) {
  std::vector<uint32_t> counts;
  for (const auto& segment : view.segments) {
    counts.push_back(segment->sealed() ? 0 : segment->row_count());
  }
  return counts;
}

// SearchOld of the points whose rows came after `counts` was taken.
Result<std::vector<RankedSlot>> SearchOldOfNewRows(const Collection& collection,
                                                   const CollectionView& view,
                                                   const DenseSearch& search, const Bridge& bridge,
                                                   const std::vector<uint32_t>& counts) {
  CollectionView grown;
  SlotSet slots;
  for (size_t i = 0; i < counts.size(); ++i) {
    const auto& segment = view.segments[i];
    if (segment->sealed() || segment->row_count() == counts[i]) continue;
    for (uint32_t row = counts[i]; row < segment->row_count(); ++row) {
      slots.Add(segment->slot_of(row));
    }
    grown.segments.push_back(segment);
  }
  if (grown.segments.empty()) return std::vector<RankedSlot>();
  if (search.allowed != nullptr) slots &= *search.allowed;
  grown.versions = view.versions;
  DenseSearch again = search;
  again.allowed = &slots;
  again.trace = nullptr;
  return SearchOld(collection, grown, again, bridge);
}

}  // namespace

void CalibrateRanked(const MonotoneCurve& curve, std::vector<RankedSlot>& ranked) {
  float before = 0;  // As it was, and
  float last = 0;    // as it became.
  for (size_t i = 0; i < ranked.size(); ++i) {
    const float raw = ranked[i].score;
    float score = curve(raw);
    if (i > 0) {
      if (raw == before) {
        score = last;
      } else if (score >= last) {
        score = std::nextafter(last, -std::numeric_limits<float>::infinity());
      }
    }
    before = raw;
    last = score;
    ranked[i].score = score;
  }
}

Result<std::vector<RankedSlot>> SearchBridged(const Collection& collection,
                                              const CollectionView& view, const DenseSearch& search,
                                              const Bridge& bridge) {
  const std::vector<uint32_t> counts = GrowingRowCounts(view);
  // The old vectors first: a row without the new vector dies only after one with it was there.
  ALMAGEST_TRY(const auto by_old, SearchOld(collection, view, search, bridge));
  ALMAGEST_TRY(auto by_new, SearchDense(view, search));
  // The other way round, a point that lost its new vector meanwhile may be in neither list.
  ALMAGEST_TRY(const auto late, SearchOldOfNewRows(collection, view, search, bridge, counts));
  return Merged(Merged(std::move(by_new), by_old, search.k), late, search.k);
}

}  // namespace almagest
