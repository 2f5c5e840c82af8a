// From slots to hits, in two steps: what they are called, and what the caller asked to see. Between
// them a page is cut, so that nothing is read for hits that nobody will see.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"
#include "engine/search/ranked_slots.h"

namespace almagest {

// What is known of a hit without reading storage: small, since more of them are looked at than are
// shown.
struct SlotHit {
  PointId id;
  SequenceNumber version = 0;
  Slot slot = kNoSlot;
  float score = 0;
  std::optional<double> order_value;
};

// Ids and versions, in order, from memory. Slots whose point was deleted meanwhile are left out.
// Scores are taken as they are (the caller has converted them); `order_values` is empty or has one
// value per slot.
std::vector<SlotHit> IdentifySlots(const Collection& collection, std::span<const RankedSlot> ranked,
                                   std::span<const double> order_values = {});

// Payloads and vectors, from storage, of all `hits`. Errors: kTimeout.
Result<std::vector<Hit>> Hydrate(const Collection& collection, std::span<const SlotHit> hits,
                                 const PayloadSelector& with_payload,
                                 const VectorSelector& with_vector, const Deadline& deadline = {});

}  // namespace almagest
