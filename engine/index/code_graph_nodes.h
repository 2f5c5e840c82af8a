// Writes the nodes of a code graph (code_graph.h): rows, and the codes and factors of neighbours.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/index/code_graph.h"
#include "engine/index/dense_rows.h"

namespace almagest {

// Knows rows, their rotation and the layout. Thread-safe for different nodes. Borrows `rows` and
// `arrays`; keeps 4 bytes per row and code bit.
class CodeNodeWriter {
 public:
  // Chooses the scales, sizes arrays.nodes and writes every present row. Afterwards `arrays` has
  // everything but links and seeds; kHalf has become kExactHalf if no row was rounded. Rows are
  // split over `thread_count` threads. `byte_quantile`: CodeGraphBuildOptions; used for byte rows
  // that are not exact.
  CodeNodeWriter(const DenseRowsView& rows, Metric metric, CodeRowFormat format,
                 double byte_quantile, std::shared_ptr<const CodeRotation> rotation,
                 uint32_t thread_count, CodeGraphArrays& arrays);

  // Links `row` to `neighbours`, at most 32 present rows other than `row`, in order of preference.
  void WriteLinks(uint32_t row, std::span<const uint32_t> neighbours);
  // Replaces the seeds: present rows.
  void WriteSeeds(std::span<const uint32_t> seeds);
  // Changes the metric that estimates are made for; every node has to be linked anew.
  void SetMetric(Metric metric) { arrays_.meta.metric = static_cast<uint32_t>(metric); }

  // code_bits floats, what CodeRotation::Rotate of the row would give.
  const float* Rotated(uint32_t row) const { return rotated_.data() + size_t{row} * code_bits_; }

 private:
  void ChooseScales(double byte_quantile);
  void WriteRow(uint32_t row);
  void WriteBlock(std::byte* block, const float* centre, const float* rotated_centre,
                  std::span<const uint32_t> neighbours);

  const DenseRowsView rows_;
  CodeGraphArrays& arrays_;
  const CodeNodeLayout layout_;
  const size_t code_bits_;
  std::vector<float> rotated_;
  std::atomic<bool> halves_exact_{true};
};

// The least coordinate if all are whole numbers within a window of 256; else, or without rows,
// nothing. Stops at the first that is not: cheap for rows that do not qualify.
std::optional<float> ByteOffset(const DenseRowsView& rows);

// Runs task(i, thread) for i < count on `thread_count` threads, the caller's among them (thread 0).
// A system that grants fewer threads gets by with those. `checkpoint`, if given, is called by the
// caller's thread every hundred tasks or so with the number of tasks begun; all others wait until
// it returns, and false stops them all: then so does this return false.
bool ForEachInParallel(size_t count, uint32_t thread_count,
                       const std::function<void(size_t i, size_t thread)>& task,
                       const std::function<bool(size_t begun)>& checkpoint = {});

}  // namespace almagest
