// Disjoint, deterministic slices of the space of ids, for parallel scans and samples.
#pragma once

#include <cstdint>

#include "engine/payload/filter.h"

namespace almagest {

// SipHash-2-4 (Aumasson & Bernstein 2012) with a zero key over the id's bytes: 8 little-endian
// bytes of a number, the 16 bytes of a UUID in the order in which they are written.
uint64_t HashOfId(const PointId& id);

inline bool InSlice(const SliceCondition& slice, const PointId& id) {
  return HashOfId(id) % slice.total == slice.index;
}

}  // namespace almagest
