// A proximity graph laid out for the cache: every node is one run of bytes that holds its row, the
// numbers of its 32 neighbours and the neighbours' 1-bit rotated codes. A search reads only the
// nodes that it visits: the row gives the exact score, the codes give estimates of all neighbours.
// Source: SymphonyQG (Gou, Gao, Xu & Long, SIGMOD 2025) and RaBitQ (Gao & Long, SIGMOD 2024).
//
// Estimates. For a node c with neighbour o and a query q, with v the rotated o - c and s its signs,
//   <q - c, o - c>  is estimated by  g <s, q' - c'>,   g = |o - c|^2 / |v|_1 up to a share of what
// the rotation left out. From it and the exact score of c follows an estimate of o's score, linear
// in <s, q'>, the sum that FastscanKernels::estimate forms: two factors a neighbour remain. Inside,
// scores are "keys": smaller is nearer (squared distance, or the negated dot product), times
// factor_scale, so that the factors fit half precision.
//
// A node, of node_bytes, a multiple of 8:
//   codes       code_bits / 4 groups of 16 bytes (fastscan_kernels.h)
//   added       32 halves, +infinity for a neighbour that is not there
//   slope       32 halves
//   neighbours  32 u32
//   row         `dimension` coordinates (less row_offset, times row_scale) in row_format
// Seed blocks have the same form without the row, for neighbours of the rows' mean: where searches
// start. Absent rows have a node nobody links to.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/index/code_memory.h"
#include "engine/index/dense_rows.h"
#include "engine/index/distance.h"
#include "engine/index/fastscan_kernels.h"
#include "engine/index/rotation.h"
#include "engine/index/section_file.h"
#include "engine/index/section_writer.h"
#include "storage/base/result.h"

namespace almagest {

inline constexpr uint32_t kCodeGraphDegree = kCodesPerBlock;
inline constexpr uint32_t kCodeGraphVersion = 1;
inline constexpr uint32_t kCodeGraphRowsMax = 0x7FFFFFFF;

// How a node keeps its row.
//   kByte   rows of whole numbers within a window of 256, as pictures have: exact in one byte each.
//           Other rows where asked for: rounded to 256 steps of their range, to be rescored
//   kHalf   11 significant bits: scores differ from those of the float rows by about 1e-3 of the
//           rows' length at most; a search can rescore with float rows
//   kFloat  as given
//   kExactHalf  as kHalf, of rows that lose nothing by it
enum class CodeRowFormat : uint32_t { kHalf = 0, kFloat = 1, kByte = 2, kExactHalf = 3 };

// Stored as it is.
struct CodeGraphMeta {
  uint32_t version = kCodeGraphVersion;
  uint32_t row_count = 0;
  uint32_t dimension = 0;
  uint32_t code_bits = 0;
  uint32_t metric = 0;  // Metric: kDot or kEuclid.
  CodeRowFormat row_format = CodeRowFormat::kHalf;
  uint32_t seed_count = 0;    // 0 iff no row is present.
  float factor_scale = 1.0f;  // A power of two.
  // 1 for float rows and exact bytes, a power of two for halves, never 1 for rounded bytes.
  float row_scale = 1.0f;
  float row_offset = 0.0f;  // Taken off the rows before; 0 but for byte rows.
};

// Offsets within a node, all in bytes.
struct CodeNodeLayout {
  CodeNodeLayout() = default;
  CodeNodeLayout(uint32_t dimension, uint32_t code_bits, CodeRowFormat format);

  size_t groups = 0;
  size_t added = 0;
  size_t slope = 0;
  size_t neighbours = 0;
  size_t row = 0;  // Also the size of a seed block.
  size_t node_bytes = 0;
};

// A view; borrows its arrays (from a SectionFile or a CodeGraphArrays). Cheap to copy, thread-safe.
// Opening checks sizes only, so it costs the same for every number of rows: whoever follows a link
// checks it against row_count(). Damaged bytes can make results wrong, never reads out of bounds.
class CodeGraph {
 public:
  CodeGraph() = default;

  // Views the sections `prefix`.meta, .rotation, .seeds, .nodes and .present (only if some row is
  // absent). kCorruption with the reason. Reads the rotation (some 100 KB) and the meta, no node.
  static Result<CodeGraph> Open(const SectionFile& file, std::string_view prefix);
  static Result<CodeGraph> FromParts(const CodeGraphMeta& meta,
                                     std::shared_ptr<const CodeRotation> rotation,
                                     std::span<const std::byte> seeds,
                                     std::span<const std::byte> nodes,
                                     std::span<const uint64_t> present);

  // Adds the sections that Open reads. `prefix` of at most 24 bytes.
  Result<> Write(SectionWriter& writer, std::string_view prefix) const;

  const CodeGraphMeta& meta() const { return meta_; }
  const CodeNodeLayout& layout() const { return layout_; }
  const CodeRotation& rotation() const { return *rotation_; }
  const std::shared_ptr<const CodeRotation>& shared_rotation() const { return rotation_; }
  std::span<const std::byte> seed_bytes() const { return seeds_; }
  std::span<const std::byte> node_bytes() const { return nodes_; }
  std::span<const uint64_t> present_words() const { return present_; }  // Empty: all are.
  Metric metric() const { return static_cast<Metric>(meta_.metric); }
  uint32_t row_count() const { return meta_.row_count; }
  bool Present(uint32_t row) const {
    return present_.empty() || ((present_[row / 64] >> (row % 64)) & 1) != 0;
  }

  // row < row_count().
  const std::byte* Node(uint32_t row) const {
    return nodes_.data() + size_t{row} * layout_.node_bytes;
  }
  size_t seed_blocks() const { return seeds_.size() / layout_.row; }
  const std::byte* SeedBlock(size_t block) const { return seeds_.data() + block * layout_.row; }
  // 32 of them, to be checked against row_count(). Of a node or a seed block.
  const uint32_t* Neighbours(const std::byte* node) const {
    return reinterpret_cast<const uint32_t*>(node + layout_.neighbours);
  }
  // Whether the nodes' rows are the rows that the graph was built from, without rounding.
  bool rows_exact() const {
    return meta_.row_format == CodeRowFormat::kFloat ||
           meta_.row_format == CodeRowFormat::kExactHalf ||
           (meta_.row_format == CodeRowFormat::kByte && meta_.row_scale == 1.0f);
  }
  // Where the nodes keep float rows: a view of them, for everything else that needs rows.
  // Broken invariant for half rows.
  DenseRowsView FloatRows() const;
  // The row as the node has it, in float32; dimension values. row < row_count(), present.
  void DecodeRow(uint32_t row, float* values) const;
  // All that a search may read.
  size_t bytes() const {
    return nodes_.size() + seeds_.size() + present_.size() * 8 + rotation_->bytes();
  }

 private:
  CodeGraphMeta meta_;
  CodeNodeLayout layout_;
  std::shared_ptr<const CodeRotation> rotation_;
  std::span<const std::byte> seeds_;
  std::span<const std::byte> nodes_;
  std::span<const uint64_t> present_;
};

// The same owned: what BuildCodeGraph makes, in huge pages where granted.
struct CodeGraphArrays {
  CodeGraphMeta meta;
  std::shared_ptr<const CodeRotation> rotation;
  CodeMemory seeds;
  CodeMemory nodes;
  std::vector<uint64_t> present;  // Empty: all are.

  // Valid while this lives and is not changed; the arrays may be moved.
  CodeGraph View() const;
};

// A graph copied into memory of its own, for huge pages: random reads of a mapped file go through
// pages of 4 KiB. Costs one pass over the bytes.
CodeGraphArrays CopyToMemory(const CodeGraph& graph);

}  // namespace almagest
