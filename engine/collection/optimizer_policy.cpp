#include "engine/collection/optimizer_policy.h"

#include <algorithm>

namespace almagest {
namespace {

using Kind = OptimizerStep::Kind;

std::optional<OptimizerStep> Seal(std::span<const SegmentSummary> segments,
                                  const OptimizerConfig& config, bool idle) {
  OptimizerStep step{Kind::kSeal, {}};
  uint64_t rows = 0;
  for (const SegmentSummary& segment : segments) {
    if (segment.sealed) continue;
    if (segment.growing) {
      const uint32_t idle_rows =
          config.idle_seal_rows > 0 ? config.idle_seal_rows : std::max(1u, config.seal_rows / 10);
      if (segment.rows < config.seal_rows && !(idle && segment.rows >= idle_rows)) continue;
    }
    if (!step.segments.empty() && rows + segment.live() > config.merged_rows_max) continue;
    step.segments.push_back(segment.id);
    rows += segment.live();
  }
  if (step.segments.empty()) return std::nullopt;
  return step;
}

std::optional<OptimizerStep> Merge(std::span<const SegmentSummary> segments,
                                   const OptimizerConfig& config) {
  std::vector<SegmentSummary> sealed;
  std::ranges::copy_if(segments, std::back_inserter(sealed), &SegmentSummary::sealed);
  if (sealed.size() <= config.segments_max) return std::nullopt;
  std::ranges::stable_sort(sealed, {}, &SegmentSummary::live);
  const size_t wanted = sealed.size() - config.segments_max + 1;
  OptimizerStep step{Kind::kMerge, {}};
  uint64_t rows = 0;
  for (const SegmentSummary& segment : sealed) {
    if (step.segments.size() == wanted || rows + segment.live() > config.merged_rows_max) break;
    step.segments.push_back(segment.id);
    rows += segment.live();
  }
  if (step.segments.size() < 2) return std::nullopt;
  return step;
}

}  // namespace

std::optional<OptimizerStep> NextStep(std::span<const SegmentSummary> segments,
                                      const OptimizerConfig& config,
                                      const OptimizerSituation& situation) {
  if (!config.enabled) return std::nullopt;
  if (auto step = Seal(segments, config, situation.idle)) return step;
  for (const SegmentSummary& segment : segments) {
    if (!segment.sealed || situation.reembedding_paused || !segment.outdated) continue;
    return OptimizerStep{Kind::kReembed, {segment.id}};
  }
  for (const SegmentSummary& segment : segments) {
    if (!segment.sealed || segment.deleted == 0 || segment.rows < config.vacuum_rows_min) continue;
    if (segment.deleted < config.deleted_fraction_max * segment.rows) continue;
    return OptimizerStep{Kind::kVacuum, {segment.id}};
  }
  return Merge(segments, config);
}

}  // namespace almagest
