// Builds an HNSW graph over rows that do not change.
// Source: Malkov & Yashunin, TPAMI 2020 (arXiv:1603.09320), algorithms 1 (insert) and 4 (diverse
// neighbours). Two changes. Levels are drawn by hashing the row, so they are known beforehand and
// the top row is inserted first: the entry never changes. Afterwards rows that no chain of level-0
// links reaches from the entry are linked in, so a search can find every present row.
#pragma once

#include <cstdint>
#include <functional>

#include "engine/index/dense_rows.h"
#include "engine/index/distance.h"
#include "engine/index/hnsw_graph.h"
#include "storage/base/result.h"

namespace almagest {

struct HnswBuildOptions {
  uint32_t degree = 16;       // [M] 2..256. Memory is 8 * degree bytes a row, and a little.
  uint32_t build_beam = 100;  // [efConstruction] 1..4096. Larger: slower build, better recall.
  uint64_t seed = 0;          // Level draws.
  // Threads that insert, the caller's among them; 1..64. With 1 the same rows, metric and options
  // give the same graph, bit by bit, on the same instruction set; with more the graph depends on
  // timing, its quality does not.
  uint32_t thread_count = 1;
  // Called about every 256 inserts with the number of rows inserted so far, by one thread at a
  // time, which it may delay to throttle (other threads go on to their next call). False cancels.
  std::function<bool(size_t rows_done)> progress = nullptr;
};

// Links every present row of `rows`. The rows have to stay unchanged and finite meanwhile.
// Errors: kInvalidArgument (an option out of its range), kTimeout (progress returned false).
// Cost: about build_beam * degree distances a row.
Result<HnswGraphArrays> BuildHnsw(const DenseRowsView& rows, Metric metric,
                                  const HnswBuildOptions& options);

}  // namespace almagest
