// How wide the beam of a code graph's searches has to be for a recall: found when the graph is
// built, on its own rows, so that users need not know.
#pragma once

#include <cstdint>
#include <functional>

#include "engine/index/code_graph.h"
#include "engine/index/dense_rows.h"

namespace almagest {

struct BeamTuningOptions {
  // Rows that serve as queries, each as if it were not in the graph.
  uint32_t queries = 768;
  // Of the 10 nearest, on average: queries from elsewhere are harder. What the sample shows has to
  // be above it by its standard error, since other rows than these may be harder, too.
  double recall = 0.987;
  uint64_t seed = 0;
  bool rescored = false;        // Whether searches will rescore with float rows.
  std::function<bool()> go_on;  // Asked every few milliseconds of work; false cancels.
};

struct BeamTuning {
  uint32_t beam_width = 0;  // For 10 results. 0: cancelled, or no row is present.
  double recall = 0.0;      // On the sample.
};

// The least of a ladder of widths from 16 to 1,024 that reaches the recall, or the least that comes
// as near as the widest. `rows` are those that the graph was built from.
// Cost: one exact scan and some 5 searches per query. Deterministic.
BeamTuning TuneBeamWidth(const CodeGraph& graph, const DenseRowsView& rows,
                         const BeamTuningOptions& options);

}  // namespace almagest
