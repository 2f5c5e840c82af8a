// The seam between max_sim.cpp and the file that is compiled once per instruction set.
#pragma once

#include <cstddef>

#include "engine/index/distance.h"

namespace almagest {

// Query rows in a packed block (max_sim.h) on this processor.
size_t MaxSimBlockRows();

// The score of a document of `count` rows, one at least. `packed` holds `query_rows` query rows in
// blocks. NaN where sums of similarities overflow.
float MaxSimOfPacked(Metric metric, const float* packed, size_t query_rows, size_t dimension,
                     const float* rows, size_t count);

}  // namespace almagest
