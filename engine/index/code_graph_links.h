// The links of a code graph while it is built, and the passes that find them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/index/code_graph_build.h"
#include "engine/index/code_graph_nodes.h"
#include "engine/index/code_graph_walk.h"
#include "engine/index/top_k.h"

namespace almagest {

// Links rows by Euclidean distance. Borrows all of its arguments; `arrays` belongs to `writer`.
class CodeLinkBuilder {
 public:
  CodeLinkBuilder(const DenseRowsView& rows, const CodeGraphBuildOptions& options,
                  CodeNodeWriter& writer, CodeGraphArrays& arrays);

  // Afterwards the nodes have their links and the seeds are chosen. False if cancelled.
  bool Run();

  std::span<const uint32_t> Links(uint32_t row) const {
    return {links_.data() + size_t{row} * kCodeGraphDegree, degree_[row]};
  }
  std::span<const uint32_t> seeds() const { return seeds_; }
  std::span<const uint32_t> present_rows() const { return order_; }

 private:
  // Candidates with their similarities to the row; copies of a row more than once are fine.
  using Candidates = std::vector<ScoredRow>;

  // Over order_ from `first` on; the rows before it are linked.
  bool RunPass(size_t pass, size_t first_row);
  // Takes over the links of options.known; moves the rows that have links now to the front of
  // order_ and returns their number. nullopt if cancelled.
  std::optional<size_t> TakeKnownLinks();
  // The links of a row of the known graph, as rows of this one. False if too few are left.
  bool TakeLinksOf(uint32_t known_row);
  void LinkFirst(size_t count);
  // False if cancelled.
  bool LinkBatch(std::span<const uint32_t> batch, uint32_t beam_width, size_t linked_before);
  // [RobustPrune] Sorts `candidates`; writes the links chosen.
  void Select(uint32_t row, Candidates& candidates, uint32_t* links, uint8_t& degree) const;
  void AddBackLinks(uint32_t row, std::span<const std::pair<uint32_t, uint32_t>> links);
  void LinkUnreached();
  void LinkInto(uint32_t reached_row, uint32_t row);
  void MarkReached(uint32_t first, std::vector<bool>& reached) const;
  float Similarity(uint32_t a, uint32_t b) const {
    return euclid_(rows_.Row(a), rows_.Row(b), rows_.dimension);
  }
  uint32_t* List(uint32_t row) { return links_.data() + size_t{row} * kCodeGraphDegree; }

  const DenseRowsView rows_;
  const CodeGraphBuildOptions& options_;
  CodeNodeWriter& writer_;
  CodeGraphArrays& arrays_;
  CodeGraph graph_;  // A view of the arrays as they grow.
  float (*euclid_)(const float*, const float*, size_t);
  std::vector<uint32_t> order_;  // Present rows in the order of insertion.
  std::vector<uint32_t> seeds_;
  std::vector<uint32_t> links_;  // 32 places a row.
  std::vector<uint8_t> degree_;
  std::vector<CodeWalkScratch> scratch_;  // Per thread.
};

}  // namespace almagest
