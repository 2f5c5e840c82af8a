// The reads of a write stage: what operations need to know of points as they are stored.
#include <algorithm>

#include "engine/collection/stored_vectors.h"
#include "engine/collection/write_stage.h"

namespace almagest {
namespace {

// The points of which `loaded` is false, once each, `size` at a time.
template <class Visit>
Result<> ForBatches(std::span<StagedPoint* const> points, bool StagedPoint::*loaded,
                    const Visit& visit) {
  std::vector<StagedPoint*> missing;
  for (StagedPoint* point : points) {
    if (point->*loaded) continue;
    point->*loaded = true;  // The same point may be listed twice.
    missing.push_back(point);
  }
  std::vector<Slot> slots;
  for (size_t first = 0; first < missing.size(); first += kStoredVectorsBatch) {
    const auto batch =
        std::span(missing).subspan(first, std::min(kStoredVectorsBatch, missing.size() - first));
    slots.clear();
    for (const StagedPoint* point : batch) slots.push_back(point->slot);
    ALMAGEST_TRY_VOID(visit(batch, slots));
  }
  return {};
}

}  // namespace

Result<> WriteStage::LoadPayloads(std::span<StagedPoint* const> points) {
  return ForBatches(points, &StagedPoint::payload_loaded, [&](auto batch, auto& slots) -> Result<> {
    ALMAGEST_TRY(auto payloads, ReadPayloads(state_.store, state_.id, slots));
    for (size_t i = 0; i < batch.size(); ++i) {
      batch[i]->payload = payloads[i];
      batch[i]->old_payload = std::move(payloads[i]);
      batch[i]->old_payload_loaded = true;
    }
    return {};
  });
}

Result<> WriteStage::LoadOldPayloads(std::span<StagedPoint* const> points) {
  return ForBatches(points, &StagedPoint::old_payload_loaded,
                    [&](auto batch, auto& slots) -> Result<> {
                      ALMAGEST_TRY(auto payloads, ReadPayloads(state_.store, state_.id, slots));
                      for (size_t i = 0; i < batch.size(); ++i) {
                        batch[i]->old_payload = std::move(payloads[i]);
                      }
                      return {};
                    });
}

Result<> WriteStage::LoadVectors(std::span<StagedPoint* const> points) {
  return ForBatches(points, &StagedPoint::vectors_loaded, [&](auto batch, auto& slots) -> Result<> {
    ALMAGEST_TRY(auto vectors, ReadAllVectors(state_.store, state_.id, state_.fields, slots));
    for (size_t i = 0; i < batch.size(); ++i) batch[i]->vectors = std::move(vectors[i]);
    return {};
  });
}

Result<> WriteStage::LoadOldTerms(std::span<StagedPoint* const> points) {
  return ForBatches(
      points, &StagedPoint::old_terms_loaded, [&](auto batch, auto& slots) -> Result<> {
        for (const CollectionField& field : state_.fields.All()) {
          if (!field.is_sparse) continue;
          ALMAGEST_TRY(auto vectors, ReadSparseVectors(state_.store, state_.id, field.id, slots));
          for (size_t i = 0; i < batch.size(); ++i) {
            if (!vectors[i]) continue;
            batch[i]->old_terms[field.id] = std::move(vectors[i]->indices);
          }
        }
        return {};
      });
}

}  // namespace almagest
