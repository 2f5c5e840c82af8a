#include "engine/search/hydrate.h"

#include "engine/payload/payload_selector.h"

namespace almagest {

Result<std::vector<Hit>> Hydrate(const Collection& collection, std::span<const RankedSlot> ranked,
                                 const PayloadSelector& with_payload,
                                 const VectorSelector& with_vector) {
  std::vector<Hit> hits;
  std::vector<Slot> slots;
  hits.reserve(ranked.size());
  slots.reserve(ranked.size());
  for (const RankedSlot& entry : ranked) {
    const auto point = collection.FindPoint(entry.slot);
    if (!point) continue;
    Hit& hit = hits.emplace_back();
    hit.id = point->id;
    hit.version = point->version;
    hit.score = entry.score;
    slots.push_back(entry.slot);
  }
  if (with_payload.wanted()) {
    ALMAGEST_TRY(const auto payloads, collection.Payloads(slots));
    for (size_t i = 0; i < hits.size(); ++i) {
      hits[i].payload = SelectPayload(with_payload, payloads[i]);
    }
  }
  if (with_vector.kind != VectorSelector::Kind::kNone) {
    for (size_t i = 0; i < hits.size(); ++i) {
      ALMAGEST_TRY(hits[i].vectors, collection.Vectors(slots[i], with_vector));
      hits[i].with_vectors = true;
    }
  }
  return hits;
}

}  // namespace almagest
