// Builds a code graph (code_graph.h) over rows that do not change.
// Sources: links chosen as in Vamana (DiskANN, Subramanya et al., NeurIPS 2019) and always 32 of
// them, since the codes of 32 cost no more than those of 20 (SymphonyQG); inserting in batches that
// see the graph as it was before the batch (ParlayANN, Dobson et al., PPoPP 2024), so that threads
// do not wait for each other and the graph does not depend on their number or timing.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "engine/index/code_graph.h"
#include "engine/index/dense_rows.h"
#include "engine/index/distance.h"
#include "storage/base/result.h"

namespace almagest {

// Links that are known before the build: those of a graph over some of the rows. What has them is
// not searched for again: rows that are gone are bypassed (their links take their place, as in
// FreshDiskANN, Singh et al., 2021), and only rows without links, or with few left, are inserted.
struct KnownLinks {
  static constexpr uint32_t kGone = 0xFFFFFFFF;
  const CodeGraph* graph = nullptr;   // nullptr: no links are known.
  std::span<const uint32_t> row_now;  // For each row of `graph` the row that it is now, or kGone.
};

struct CodeGraphBuildOptions {
  // Bits per neighbour's code: a multiple of 8 within 8..4096, or 0 for DefaultCodeBits.
  uint32_t code_bits = 0;
  // kHalf becomes kByte or kExactHalf where those are exact. kByte where they are not is
  // kInvalidArgument, unless byte_quantile says how to round.
  CodeRowFormat row_format = CodeRowFormat::kHalf;
  // Share of the coordinates, 0.5..1, that the range of rounded bytes covers, evenly cut at both
  // ends; what lies outside is clamped. 0: bytes only where they are exact.
  double byte_quantile = 0.0;
  // Links per row, 4..32. Fewer: quicker build, more visits per search.
  uint32_t degree = kCodeGraphDegree;
  // Candidates that the second pass looks for per row, 32..4096; the first takes a third. Larger:
  // slower build, better recall, above all where the data have many dimensions of their own.
  uint32_t build_beam = 300;
  KnownLinks known;
  uint64_t seed = 0;
  uint32_t thread_count = 1;  // 1..64. The graph is the same for any number.
  // Called about every hundred rows with the number done of rows.count, by the caller's thread,
  // which it may delay to throttle: the other threads wait meanwhile. False cancels.
  std::function<bool(size_t rows_done)> progress;
};

// One bit per dimension up to 192 dimensions, but at least 64: fewer estimate too badly. A third
// of that beyond, at least 192 and at most 1,024 bits.
uint32_t DefaultCodeBits(uint32_t dimension);

// Whether rounding the rows to half precision moves them by little beside how far they lie apart,
// judged by a sample. Not so for rows far from the origin and close together.
bool HalfRowsWillDo(const DenseRowsView& rows, Metric metric);

// Links every present row so that all can be reached. Rows stay unchanged and finite meanwhile.
// kDot and kEuclid. Under kDot, rows of different lengths are linked by their distance after a
// coordinate is added that makes the lengths equal, which keeps the order of dot products.
// The same rows, metric and options give the same graph, bit by bit, on one instruction set. Known
// links have to be of rows at about the same distances, and shorten the build by the share of rows
// that have them.
// Errors: kInvalidArgument (metric, an option out of its range, too many rows), kTimeout (progress
// returned false). Memory beside the result: 4 bytes per row and code bit, and 130 per row.
Result<CodeGraphArrays> BuildCodeGraph(const DenseRowsView& rows, Metric metric,
                                       const CodeGraphBuildOptions& options);

}  // namespace almagest
