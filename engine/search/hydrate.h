// From slots to hits: ids, versions, payloads and vectors as the caller asked to see them.
#pragma once

#include <span>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"
#include "engine/search/ranked_slots.h"

namespace almagest {

// Keeps the order. Slots whose point was deleted meanwhile are left out. `ranked` scores become
// REST scores unchanged (the caller has converted them).
Result<std::vector<Hit>> Hydrate(const Collection& collection, std::span<const RankedSlot> ranked,
                                 const PayloadSelector& with_payload,
                                 const VectorSelector& with_vector);

}  // namespace almagest
