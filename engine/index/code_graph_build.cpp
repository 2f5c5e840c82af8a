#include "engine/index/code_graph_build.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/index/code_graph_links.h"
#include "engine/index/code_graph_nodes.h"

namespace almagest {
namespace {

// Rows whose squared lengths differ by less than this share count as of one length.
constexpr float kLengthTolerance = 0.01f;

Result<> CheckOptions(const DenseRowsView& rows, Metric metric,
                      const CodeGraphBuildOptions& options) {
  const auto outside = [](const char* name, uint64_t value, const char* range) -> Result<> {
    return Fail(ErrorCode::kInvalidArgument,
                std::string(name) + " is " + std::to_string(value) + " but has to be " + range);
  };
  if (metric != Metric::kDot && metric != Metric::kEuclid) {
    return Fail(ErrorCode::kInvalidArgument,
                "metric manhattan has no code graph: its codes estimate dot products");
  }
  if (options.code_bits != 0 && (options.code_bits < kCodeBitsMin ||
                                 options.code_bits > kCodeBitsMax || options.code_bits % 8 != 0)) {
    return outside("code_bits", options.code_bits, "0 or a multiple of 8 within 8 and 4096");
  }
  if (options.build_beam < kCodeGraphDegree || options.build_beam > 4096) {
    return outside("build_beam", options.build_beam, "within 32 and 4096");
  }
  if (options.degree < 4 || options.degree > kCodeGraphDegree) {
    return outside("degree", options.degree, "within 4 and 32");
  }
  if (options.byte_quantile != 0.0 &&
      !(options.byte_quantile >= 0.5 && options.byte_quantile <= 1.0)) {
    return Fail(ErrorCode::kInvalidArgument, "byte_quantile is " +
                                                 std::to_string(options.byte_quantile) +
                                                 " but has to be 0 or within 0.5 and 1");
  }
  if (options.thread_count < 1 || options.thread_count > 64) {
    return outside("thread_count", options.thread_count, "within 1 and 64");
  }
  const CodeGraph* known = options.known.graph;
  const size_t rows_now = options.known.row_now.size();
  if (known != nullptr && rows_now != known->row_count()) {
    return outside("row_now", rows_now, "as long as the known graph");
  }
  if (rows.count > kCodeGraphRowsMax) return outside("rows", rows.count, "below 2^31");
  if (rows.dimension == 0) return outside("dimension", 0, "1 or more");
  return {};
}

// Rows with one more coordinate, so that all are as long as the longest; empty if they are anyway.
std::vector<float> EqualiseLengths(const DenseRowsView& rows) {
  const auto dot = KernelsFor(Metric::kDot).pair;
  std::vector<float> lengths(rows.count, 0.0f);
  float longest = 0.0f;
  float shortest = std::numeric_limits<float>::infinity();
  for (uint32_t row = 0; row < rows.count; ++row) {
    if (!rows.Present(row)) continue;
    lengths[row] = dot(rows.Row(row), rows.Row(row), rows.dimension);
    longest = std::max(longest, lengths[row]);
    shortest = std::min(shortest, lengths[row]);
  }
  if (!(longest - shortest > kLengthTolerance * longest)) return {};
  const size_t dimension = size_t{rows.dimension} + 1;
  std::vector<float> equal(dimension * rows.count, 0.0f);
  for (uint32_t row = 0; row < rows.count; ++row) {
    if (!rows.Present(row)) continue;
    float* to = equal.data() + row * dimension;
    std::copy_n(rows.Row(row), rows.dimension, to);
    to[rows.dimension] = std::sqrt(std::max(longest - lengths[row], 0.0f));
  }
  return equal;
}

}  // namespace

uint32_t DefaultCodeBits(uint32_t dimension) {
  if (dimension <= 192) return std::max<uint32_t>(64, (dimension + 7) / 8 * 8);
  return std::clamp<uint32_t>((dimension / 3 + 32) / 64 * 64, 192, 1024);
}

bool HalfRowsWillDo(const DenseRowsView& rows, Metric metric) {
  if (rows.count == 0 || metric != Metric::kEuclid) return true;
  constexpr uint32_t kSample = 512;
  constexpr uint32_t kQueries = 16;
  // Rounding moves a row by about 2^-12 of its length, most of it across, not along, the way to
  // another row.
  constexpr double kRounding = 1.0 / 4096.0;
  constexpr double kShareOfDistance = 0.02;
  std::vector<uint32_t> sample;
  const uint32_t step = std::max(1u, rows.count / kSample);
  for (uint32_t row = 0; row < rows.count; row += step) {
    if (rows.Present(row)) sample.push_back(row);
  }
  const auto euclid = KernelsFor(Metric::kEuclid).pair;
  const auto dot = KernelsFor(Metric::kDot).pair;
  size_t moved_far = 0;
  const size_t queries = std::min<size_t>(kQueries, sample.size());
  for (size_t q = 0; q < queries; ++q) {
    const float* query = rows.Row(sample[q]);
    double nearest = std::numeric_limits<double>::infinity();
    for (const uint32_t row : sample) {
      const double distance = -euclid(query, rows.Row(row), rows.dimension);
      if (distance > 0.0) nearest = std::min(nearest, distance);
    }
    const double length = std::sqrt(double{dot(query, query, rows.dimension)});
    if (length * kRounding > kShareOfDistance * std::sqrt(nearest)) ++moved_far;
  }
  return moved_far * 4 <= queries;
}

Result<CodeGraphArrays> BuildCodeGraph(const DenseRowsView& rows, Metric metric,
                                       const CodeGraphBuildOptions& options) {
  ALMAGEST_TRY_VOID(CheckOptions(rows, metric, options));
  const auto cancelled = [] {
    return Fail(ErrorCode::kTimeout, "the build of a code graph was cancelled");
  };
  const uint32_t code_bits =
      options.code_bits != 0 ? options.code_bits : DefaultCodeBits(rows.dimension);
  CodeRowFormat row_format = options.row_format;
  if (row_format != CodeRowFormat::kFloat) {
    const bool bytes_are_exact = ByteOffset(rows).has_value();
    if (row_format == CodeRowFormat::kByte && !bytes_are_exact && options.byte_quantile == 0.0) {
      return Fail(ErrorCode::kInvalidArgument,
                  "row_format byte needs whole numbers within a window of 256");
    }
    if (bytes_are_exact) row_format = CodeRowFormat::kByte;
  }
  CodeGraphArrays arrays;
  const auto rotation =
      std::make_shared<const CodeRotation>(CodeRotation::Train(rows, code_bits, options.seed));

  const std::vector<float> equal =
      metric == Metric::kDot ? EqualiseLengths(rows) : std::vector<float>{};
  if (equal.empty()) {
    CodeNodeWriter writer(rows, Metric::kEuclid, row_format, options.byte_quantile, rotation,
                          options.thread_count, arrays);
    CodeLinkBuilder links(rows, options, writer, arrays);
    if (!links.Run()) return cancelled();
    if (metric == Metric::kDot) {
      writer.SetMetric(metric);
      const std::span<const uint32_t> present = links.present_rows();
      ForEachInParallel(present.size(), options.thread_count, [&](size_t i, size_t) {
        writer.WriteLinks(present[i], links.Links(present[i]));
      });
      writer.WriteSeeds(links.seeds());
    }
    return arrays;
  }
  // Links from the rows of equal length, nodes from the rows as they are.
  DenseRowsView equal_rows = rows;
  equal_rows.data = equal.data();
  equal_rows.dimension = rows.dimension + 1;
  equal_rows.stride = equal_rows.dimension;
  CodeGraphArrays draft;
  CodeNodeWriter draft_writer(equal_rows, Metric::kEuclid, CodeRowFormat::kHalf, 0.0,
                              std::make_shared<const CodeRotation>(
                                  CodeRotation::Train(equal_rows, code_bits, options.seed)),
                              options.thread_count, draft);
  CodeLinkBuilder links(equal_rows, options, draft_writer, draft);
  if (!links.Run()) return cancelled();
  CodeNodeWriter writer(rows, metric, row_format, options.byte_quantile, rotation,
                        options.thread_count, arrays);
  const std::span<const uint32_t> present = links.present_rows();
  ForEachInParallel(present.size(), options.thread_count, [&](size_t i, size_t) {
    writer.WriteLinks(present[i], links.Links(present[i]));
  });
  writer.WriteSeeds(links.seeds());
  return arrays;
}

}  // namespace almagest
