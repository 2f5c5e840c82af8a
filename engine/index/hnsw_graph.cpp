#include "engine/index/hnsw_graph.h"

#include <string>

#include "storage/base/check.h"

namespace almagest {
namespace {

std::string Name(std::string_view prefix, std::string_view part) {
  return std::string(prefix) + "." + std::string(part);
}

tl::unexpected<Error> Broken(const std::string& reason) {
  return Fail(ErrorCode::kCorruption, "an HNSW graph " + reason);
}

}  // namespace

Result<HnswGraph> HnswGraph::Open(const SectionFile& file, std::string_view prefix) {
  ALMAGEST_TRY(const auto meta, file.Value<HnswMeta>(Name(prefix, "meta")));
  ALMAGEST_TRY(const auto level0, file.Array<uint32_t>(Name(prefix, "level0")));
  ALMAGEST_TRY(const auto upper_first, file.Array<uint32_t>(Name(prefix, "upper_first")));
  ALMAGEST_TRY(const auto upper, file.Array<uint32_t>(Name(prefix, "upper")));
  return FromArrays(meta, level0, upper_first, upper);
}

Result<HnswGraph> HnswGraph::FromArrays(const HnswMeta& meta, std::span<const uint32_t> level0,
                                        std::span<const uint32_t> upper_first,
                                        std::span<const uint32_t> upper) {
  const uint64_t rows = meta.row_count;
  if (meta.degree < kHnswDegreeMin || meta.degree > kHnswDegreeMax) {
    return Broken("has degree " + std::to_string(meta.degree));
  }
  if (level0.size() != rows * 2 * meta.degree || upper_first.size() != rows + 1) {
    return Broken("has arrays of the wrong size for " + std::to_string(rows) + " rows");
  }
  if (upper_first[0] != 0 || uint64_t{upper_first[rows]} * meta.degree != upper.size()) {
    return Broken("has upper levels of the wrong size");
  }
  for (uint64_t row = 0; row < rows; ++row) {
    if (upper_first[row] > upper_first[row + 1] ||
        upper_first[row + 1] - upper_first[row] > meta.entry_level) {
      return Broken("has a wrong level at row " + std::to_string(row));
    }
  }
  for (const uint32_t neighbour : level0) {
    if (neighbour != kNoRow && neighbour >= rows) {
      return Broken("links to row " + std::to_string(neighbour) + " of " + std::to_string(rows));
    }
  }
  HnswGraph graph;
  graph.meta_ = meta;
  graph.level0_ = level0;
  graph.upper_first_ = upper_first;
  graph.upper_ = upper;
  for (uint32_t row = 0; row < rows; ++row) {
    for (uint32_t level = 1; level <= graph.LevelOf(row); ++level) {
      for (const uint32_t neighbour : graph.Neighbours(row, level)) {
        if (neighbour == kNoRow) continue;
        if (neighbour >= rows || graph.LevelOf(neighbour) < level) {
          return Broken("links row " + std::to_string(row) + " to a row that is not on level " +
                        std::to_string(level));
        }
      }
    }
  }
  if (meta.entry_level > kHnswLevelMax) return Broken("has too many levels");
  if (meta.entry_row == kNoRow) {
    if (meta.entry_level != 0) return Broken("has levels but no entry");
  } else if (meta.entry_row >= rows || graph.LevelOf(meta.entry_row) != meta.entry_level) {
    return Broken("has a wrong entry row");
  }
  return graph;
}

Result<> HnswGraph::Write(SectionWriter& writer, std::string_view prefix) const {
  ALMAGEST_TRY_VOID(writer.AddValue(Name(prefix, "meta"), meta_));
  ALMAGEST_TRY_VOID(writer.AddArray(Name(prefix, "level0"), level0_));
  ALMAGEST_TRY_VOID(writer.AddArray(Name(prefix, "upper_first"), upper_first_));
  return writer.AddArray(Name(prefix, "upper"), upper_);
}

HnswGraph HnswGraphArrays::View() const {
  auto view = HnswGraph::FromArrays(meta, level0, upper_first, upper);
  ALMAGEST_CHECK(view.has_value());
  return *view;
}

}  // namespace almagest
