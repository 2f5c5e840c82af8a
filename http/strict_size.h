// How much strict mode's limits on sizes have to count.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/collection/collection.h"

namespace almagest {

// Dense vectors of live points, and multi-vectors of all rows (those of deleted points count until
// they are vacuumed). Sparse ones are not counted.
uint64_t VectorBytes(const Collection& collection, const CollectionConfig& config);

// Of what the machine, or the control group of this process, has.
std::optional<uint64_t> ResidentMemoryPercent();

}  // namespace almagest
