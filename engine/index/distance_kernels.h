// The seam between distance.cpp and the file that is compiled once per instruction set.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/index/distance.h"

namespace almagest {

// Bits of the instruction sets that are compiled in and supported here, as Highway numbers them.
// A smaller bit is a better set.
int64_t SupportedKernelTargets();

// The kernels of the best instruction set within `targets` (a non-empty subset of the above).
DistanceKernels KernelsForTargets(Metric metric, int64_t targets);

}  // namespace almagest
