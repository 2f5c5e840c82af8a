#include "engine/search/hydrate.h"

#include <algorithm>

#include "engine/payload/payload_selector.h"

namespace almagest {

std::vector<SlotHit> IdentifySlots(const Collection& collection, std::span<const RankedSlot> ranked,
                                   std::span<const double> order_values) {
  constexpr size_t kAtOnce = 16;
  Slot slots[kAtOnce];
  std::optional<Collection::PointState> points[kAtOnce];
  std::vector<SlotHit> hits;
  hits.reserve(ranked.size());
  for (size_t first = 0; first < ranked.size(); first += kAtOnce) {
    const size_t count = std::min(kAtOnce, ranked.size() - first);
    for (size_t i = 0; i < count; ++i) slots[i] = ranked[first + i].slot;
    collection.FindPoints({slots, count}, {points, count});
    for (size_t i = 0; i < count; ++i) {
      if (!points[i]) continue;
      SlotHit& hit = hits.emplace_back();
      hit.id = points[i]->id;
      hit.version = points[i]->version;
      hit.slot = slots[i];
      hit.score = ranked[first + i].score;
      if (!order_values.empty()) hit.order_value = order_values[first + i];
    }
  }
  return hits;
}

Result<std::vector<Hit>> Hydrate(const Collection& collection, std::span<const SlotHit> hits,
                                 const PayloadSelector& with_payload,
                                 const VectorSelector& with_vector, const Deadline& deadline) {
  constexpr size_t kBatch = 1024;
  std::vector<Hit> complete(hits.size());
  for (size_t first = 0; first < hits.size(); first += kBatch) {
    if (deadline.Expired()) return Fail(ErrorCode::kTimeout, "the query exceeded its time limit");
    const auto batch = hits.subspan(first, std::min(kBatch, hits.size() - first));
    std::vector<std::string> payloads;
    if (with_payload.wanted()) {
      std::vector<Slot> slots;
      for (const SlotHit& hit : batch) slots.push_back(hit.slot);
      ALMAGEST_TRY(payloads, collection.Payloads(slots));
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      Hit& hit = complete[first + i];
      hit.id = batch[i].id;
      hit.version = batch[i].version;
      hit.score = batch[i].score;
      hit.order_value = batch[i].order_value;
      if (with_payload.wanted()) hit.payload = SelectPayload(with_payload, payloads[i]);
      if (with_vector.kind != VectorSelector::Kind::kNone) {
        ALMAGEST_TRY(hit.vectors, collection.Vectors(batch[i].slot, with_vector));
        hit.with_vectors = true;
      }
    }
  }
  return complete;
}

}  // namespace almagest
