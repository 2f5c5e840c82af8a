#include "engine/index/code_graph.h"

#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "engine/index/fastscan_kernels.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

Error Damaged(const std::string& reason) {
  return {ErrorCode::kCorruption, "a code graph is damaged: " + reason};
}

std::string Name(std::string_view prefix, const char* part) { return std::string(prefix) + part; }

bool PowerOfTwo(float value) {
  int exponent = 0;
  return std::isfinite(value) && value > 0.0f && std::frexp(value, &exponent) == 0.5f;
}

}  // namespace

CodeNodeLayout::CodeNodeLayout(uint32_t dimension, uint32_t code_bits, CodeRowFormat format)
    : groups(code_bits / 4),
      added(groups * 16),
      slope(added + kCodeGraphDegree * 2),
      neighbours(slope + kCodeGraphDegree * 2),
      row(neighbours + kCodeGraphDegree * 4) {
  size_t width = 4;
  if (format == CodeRowFormat::kHalf || format == CodeRowFormat::kExactHalf) width = 2;
  if (format == CodeRowFormat::kByte) width = 1;
  node_bytes = (row + dimension * width + 7) / 8 * 8;
}

Result<CodeGraph> CodeGraph::FromParts(const CodeGraphMeta& meta,
                                       std::shared_ptr<const CodeRotation> rotation,
                                       std::span<const std::byte> seeds,
                                       std::span<const std::byte> nodes,
                                       std::span<const uint64_t> present) {
  const auto fail = [](const std::string& reason) -> Result<CodeGraph> {
    const Error error = Damaged(reason);
    return Fail(error.code, error.message);
  };
  if (meta.version != kCodeGraphVersion) return fail("version " + std::to_string(meta.version));
  if (meta.row_count > kCodeGraphRowsMax) return fail(std::to_string(meta.row_count) + " rows");
  if (meta.metric != static_cast<uint32_t>(Metric::kDot) &&
      meta.metric != static_cast<uint32_t>(Metric::kEuclid)) {
    return fail("metric " + std::to_string(meta.metric));
  }
  if (static_cast<uint32_t>(meta.row_format) > static_cast<uint32_t>(CodeRowFormat::kExactHalf)) {
    return fail("row format " + std::to_string(static_cast<uint32_t>(meta.row_format)));
  }
  const bool scale_valid = meta.row_format == CodeRowFormat::kByte
                               ? std::isfinite(meta.row_scale) && meta.row_scale > 0.0f
                               : PowerOfTwo(meta.row_scale);
  if (!PowerOfTwo(meta.factor_scale) || !scale_valid || !std::isfinite(meta.row_offset)) {
    return fail("its scales are invalid");
  }
  if (rotation == nullptr || rotation->dimension() != meta.dimension ||
      rotation->code_bits() != meta.code_bits) {
    return fail("its rotation has other dimensions");
  }
  CodeGraph graph;
  graph.meta_ = meta;
  graph.layout_ = CodeNodeLayout(meta.dimension, meta.code_bits, meta.row_format);
  if (nodes.size() % graph.layout_.node_bytes != 0 ||
      nodes.size() / graph.layout_.node_bytes != meta.row_count) {
    return fail(std::to_string(nodes.size()) + " bytes do not hold " +
                std::to_string(meta.row_count) + " nodes");
  }
  if (meta.seed_count > meta.row_count ||
      seeds.size() !=
          (size_t{meta.seed_count} + kCodeGraphDegree - 1) / kCodeGraphDegree * graph.layout_.row) {
    return fail(std::to_string(seeds.size()) + " bytes do not hold " +
                std::to_string(meta.seed_count) + " seeds");
  }
  if (!present.empty() && present.size() != (size_t{meta.row_count} + 63) / 64) {
    return fail("its presence bits do not fit the rows");
  }
  graph.rotation_ = std::move(rotation);
  graph.seeds_ = seeds;
  graph.nodes_ = nodes;
  graph.present_ = present;
  return graph;
}

Result<CodeGraph> CodeGraph::Open(const SectionFile& file, std::string_view prefix) {
  ALMAGEST_TRY(const auto meta, file.Value<CodeGraphMeta>(Name(prefix, ".meta")));
  ALMAGEST_TRY(const auto rotation_bytes, file.Section(Name(prefix, ".rotation")));
  ALMAGEST_TRY(const auto seeds, file.Section(Name(prefix, ".seeds")));
  ALMAGEST_TRY(const auto nodes, file.Section(Name(prefix, ".nodes")));
  std::span<const uint64_t> present;
  if (file.Has(Name(prefix, ".present"))) {
    ALMAGEST_TRY(present, file.Array<uint64_t>(Name(prefix, ".present")));
  }
  ALMAGEST_TRY(auto rotation,
               CodeRotation::FromBytes(rotation_bytes, meta.dimension, meta.code_bits));
  return FromParts(meta, std::make_shared<const CodeRotation>(std::move(rotation)), seeds, nodes,
                   present);
}

Result<> CodeGraph::Write(SectionWriter& writer, std::string_view prefix) const {
  ALMAGEST_CHECK(prefix.size() <= 24);
  ALMAGEST_TRY_VOID(writer.AddValue(Name(prefix, ".meta"), meta_));
  const std::vector<std::byte> rotation = rotation_->Serialise();
  ALMAGEST_TRY_VOID(writer.Add(Name(prefix, ".rotation"), rotation));
  ALMAGEST_TRY_VOID(writer.Add(Name(prefix, ".seeds"), seeds_));
  ALMAGEST_TRY_VOID(writer.Add(Name(prefix, ".nodes"), nodes_));
  if (present_.empty()) return {};
  return writer.AddArray(Name(prefix, ".present"), present_);
}

DenseRowsView CodeGraph::FloatRows() const {
  ALMAGEST_CHECK(meta_.row_format == CodeRowFormat::kFloat);
  DenseRowsView view;
  view.data = reinterpret_cast<const float*>(nodes_.data() + layout_.row);
  view.count = meta_.row_count;
  view.dimension = meta_.dimension;
  view.stride = layout_.node_bytes / sizeof(float);
  view.present_words = present_.empty() ? nullptr : present_.data();
  return view;
}

void CodeGraph::DecodeRow(uint32_t row, float* values) const {
  const std::byte* stored = Node(row) + layout_.row;
  switch (meta_.row_format) {
    case CodeRowFormat::kFloat:
      std::memcpy(values, stored, meta_.dimension * sizeof(float));
      return;
    case CodeRowFormat::kHalf:
    case CodeRowFormat::kExactHalf:
      for (uint32_t i = 0; i < meta_.dimension; ++i) {
        uint16_t half = 0;
        std::memcpy(&half, stored + 2 * size_t{i}, 2);
        values[i] = HalfToFloat(half) / meta_.row_scale;
      }
      return;
    case CodeRowFormat::kByte:
      for (uint32_t i = 0; i < meta_.dimension; ++i) {
        values[i] = std::to_integer<uint8_t>(stored[i]) / meta_.row_scale + meta_.row_offset;
      }
      return;
  }
}

CodeGraph CodeGraphArrays::View() const {
  auto view = CodeGraph::FromParts(meta, rotation, seeds.bytes(), nodes.bytes(), present);
  ALMAGEST_CHECK(view.has_value());
  return *std::move(view);
}

CodeGraphArrays CopyToMemory(const CodeGraph& graph) {
  const auto copy = [](std::span<const std::byte> from) {
    CodeMemory to(from.size());
    if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
    return to;
  };
  CodeGraphArrays arrays;
  arrays.meta = graph.meta();
  arrays.rotation = graph.shared_rotation();
  arrays.seeds = copy(graph.seed_bytes());
  arrays.nodes = copy(graph.node_bytes());
  arrays.present.assign(graph.present_words().begin(), graph.present_words().end());
  return arrays;
}

}  // namespace almagest
