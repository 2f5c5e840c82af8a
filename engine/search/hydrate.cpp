#include "engine/search/hydrate.h"

#include <algorithm>

#include "engine/payload/payload_selector.h"

namespace almagest {

std::vector<SlotHit> IdentifySlots(const Collection& collection, std::span<const RankedSlot> ranked,
                                   std::span<const double> order_values) {
  std::vector<Slot> slots;
  slots.reserve(ranked.size());
  for (const RankedSlot& entry : ranked) slots.push_back(entry.slot);
  const auto points = collection.FindPoints(slots);
  std::vector<SlotHit> hits;
  hits.reserve(ranked.size());
  for (size_t i = 0; i < ranked.size(); ++i) {
    const auto& point = points[i];
    if (!point) continue;
    SlotHit& hit = hits.emplace_back();
    hit.id = point->id;
    hit.version = point->version;
    hit.score = ranked[i].score;
    hit.slot = ranked[i].slot;
    if (!order_values.empty()) hit.order_value = order_values[i];
  }
  return hits;
}

Result<std::vector<Hit>> Hydrate(const Collection& collection, std::vector<SlotHit> hits,
                                 const PayloadSelector& with_payload,
                                 const VectorSelector& with_vector, const Deadline& deadline) {
  constexpr size_t kBatch = 1024;
  std::vector<Hit> complete;
  complete.reserve(hits.size());
  for (size_t first = 0; first < hits.size(); first += kBatch) {
    if (deadline.Expired()) return Fail(ErrorCode::kTimeout, "the query exceeded its time limit");
    const auto batch = std::span(hits).subspan(first, std::min(kBatch, hits.size() - first));
    std::vector<std::string> payloads;
    if (with_payload.wanted()) {
      std::vector<Slot> slots;
      for (const SlotHit& hit : batch) slots.push_back(hit.slot);
      ALMAGEST_TRY(payloads, collection.Payloads(slots));
    }
    for (size_t i = 0; i < batch.size(); ++i) {
      if (with_payload.wanted()) batch[i].payload = SelectPayload(with_payload, payloads[i]);
      if (with_vector.kind != VectorSelector::Kind::kNone) {
        ALMAGEST_TRY(batch[i].vectors, collection.Vectors(batch[i].slot, with_vector));
        batch[i].with_vectors = true;
      }
      complete.push_back(std::move(batch[i]));
    }
  }
  return complete;
}

}  // namespace almagest
