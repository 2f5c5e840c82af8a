#include "engine/search/bridged_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace almagest {
namespace {

Result<SlotSet> SlotsWith(const Collection& collection, const std::string& vector_name,
                          const Deadline& deadline) {
  Filter filter;
  filter.must.push_back(HasVectorCondition{vector_name});
  return collection.MatchingSlots(filter, deadline);
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
  const BridgeRecord& record = bridge.record();
  // Which points are whose is settled first. One that gets its new vector afterwards may then be in
  // both lists, but never in neither.
  ALMAGEST_TRY(const SlotSet with_new, SlotsWith(collection, record.from_name, search.deadline));
  ALMAGEST_TRY(SlotSet only_old, SlotsWith(collection, record.to_name, search.deadline));
  only_old -= with_new;
  if (search.allowed != nullptr) only_old &= *search.allowed;
  if (only_old.empty()) return SearchDense(view, search);

  const std::vector<float> mapped = bridge.MapQuery(search.base_query);
  DenseSearch old = search;
  old.vector_name = record.to_name;
  ALMAGEST_TRY(const auto field, collection.FindField(record.to_name));
  old.field = field.id;
  old.distance = field.dense.distance;
  old.base_query = mapped;
  old.as_version.reset();  // It names one of the new field's.
  // Nothing to leave out: then the plan is that of a search of the old field.
  old.allowed = with_new.empty() ? search.allowed : &only_old;
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
  if (with_new.empty()) return by_old;

  ALMAGEST_TRY(auto merged, SearchDense(view, search));
  std::vector<Slot> found;
  for (const RankedSlot& entry : merged) found.push_back(entry.slot);
  std::ranges::sort(found);
  for (const RankedSlot& entry : by_old) {
    if (!std::ranges::binary_search(found, entry.slot)) merged.push_back(entry);
  }
  std::ranges::sort(merged, RanksBefore);
  if (merged.size() > search.k) merged.resize(search.k);
  return merged;
}

}  // namespace almagest
