// Scroll, count and retrieve: reads that do not rank by similarity.
#include <algorithm>

#include "engine/search/hydrate.h"
#include "engine/search/ordering.h"
#include "engine/search/query_executor.h"

namespace almagest {
namespace {

Result<std::optional<SlotSet>> Matches(const Collection& collection,
                                       const std::optional<Filter>& filter,
                                       const Deadline& deadline) {
  if (!filter || filter->empty()) return std::optional<SlotSet>();
  ALMAGEST_TRY(SlotSet slots, collection.MatchingSlots(*filter, deadline));
  return std::optional<SlotSet>(std::move(slots));
}

Result<ScrollPage> ScrollOrdered(const Collection& collection, const ScrollRequest& request,
                                 const std::optional<SlotSet>& allowed) {
  if (request.offset) {
    return Fail(ErrorCode::kBadRequest,
                "offset cannot be used together with order_by; page with order_by.start_from");
  }
  ALMAGEST_TRY(const OrderedPoints points, PointsByValue(collection, *request.order_by,
                                                         {allowed ? &*allowed : nullptr, nullptr},
                                                         request.limit, request.deadline));
  ScrollPage page;
  ALMAGEST_TRY(page.points,
               Hydrate(collection, IdentifySlots(collection, points.ranked, points.values),
                       request.with_payload, request.with_vector, request.deadline));
  return page;
}

}  // namespace

Result<ScrollPage> Scroll(const Collection& collection, const ScrollRequest& request) {
  ALMAGEST_TRY(const auto allowed, Matches(collection, request.filter, request.deadline));
  if (request.order_by) return ScrollOrdered(collection, request, allowed);
  ScrollPage page;
  std::vector<RankedSlot> ranked;
  size_t visited = 0;
  bool expired = false;
  ALMAGEST_TRY_VOID(collection.VisitPoints(request.offset, [&](const PointId& id, Slot slot) {
    if (++visited % 4096 == 0 && request.deadline.Expired()) {
      expired = true;
      return false;
    }
    if (allowed && !allowed->Contains(slot)) return true;
    if (ranked.size() == request.limit) {
      page.next = id;
      return false;
    }
    ranked.push_back({slot, 0});
    return true;
  }));
  if (expired) return Fail(ErrorCode::kTimeout, "the scroll exceeded its time limit");
  ALMAGEST_TRY(page.points, Hydrate(collection, IdentifySlots(collection, ranked),
                                    request.with_payload, request.with_vector, request.deadline));
  return page;
}

Result<uint64_t> Count(const Collection& collection, const std::optional<Filter>& filter,
                       const Deadline& deadline) {
  ALMAGEST_TRY(const auto allowed, Matches(collection, filter, deadline));
  return allowed ? allowed->size() : collection.point_count();
}

Result<std::vector<Hit>> Retrieve(const Collection& collection, std::span<const PointId> ids,
                                  const PayloadSelector& with_payload,
                                  const VectorSelector& with_vector) {
  std::vector<RankedSlot> found;
  found.reserve(ids.size());
  for (const PointId& id : ids) {
    const Slot slot = collection.FindSlot(id);
    if (slot != kNoSlot) found.push_back({slot, 0});
  }
  return Hydrate(collection, IdentifySlots(collection, found), with_payload, with_vector);
}

}  // namespace almagest
