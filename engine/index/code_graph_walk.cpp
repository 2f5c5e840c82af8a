#include "engine/index/code_graph_walk.h"

#include <cmath>

namespace almagest {
namespace {

constexpr uint64_t kVisitsBetweenCancelChecks = 128;
// Rows that do not count are walked through until the beam is full, and then at most this many
// times the beam width.
constexpr size_t kBridgesPerBeam = 4;
constexpr size_t kPrefetchAhead = 2;
constexpr size_t kCacheLine = 64;

}  // namespace

CodeWalk::CodeWalk(const CodeGraph& graph, const float* query, const float* rotated,
                   CodeWalkScratch& scratch, const FastscanKernels& kernels)
    : graph_(graph), kernels_(kernels), scratch_(scratch), query_(query) {
  const CodeRotation& rotation = graph.rotation();
  scratch_.rotated.resize(rotation.output_count());
  if (rotated != nullptr) {
    std::copy_n(rotated, rotation.code_bits(), scratch_.rotated.data());
  } else {
    rotation.Rotate(query, kernels_, scratch_.levels, scratch_.sums, scratch_.rotated.data());
  }
  FillTables();
  if (graph.meta().row_format == CodeRowFormat::kFloat) return;
  // Halves are scaled by a power of two: so is the query, and the score back.
  const float scale = graph.meta().row_scale;
  if (graph.metric() == Metric::kEuclid) {
    scratch_.scaled_query.resize(rotation.dimension());
    for (size_t i = 0; i < rotation.dimension(); ++i) scratch_.scaled_query[i] = query[i] * scale;
    score_scale_ = -1.0f / scale / scale;
  } else {
    score_scale_ = 1.0f / scale;
  }
}

void CodeWalk::FillTables() {
  const size_t groups = graph_.layout().groups;
  const float* coordinates = scratch_.rotated.data();
  float widest = 1e-30f;
  float smallest_sum = 0.0f;
  float sum = 0.0f;
  for (size_t g = 0; g < groups; ++g) {
    float width = 0.0f;
    for (size_t b = 0; b < 4; ++b) {
      const float value = coordinates[4 * g + b];
      width += std::fabs(value);
      smallest_sum += std::min(value, 0.0f);
      sum += value;
    }
    widest = std::max(widest, width);
  }
  const auto levels = static_cast<float>(kCodeTableMax);
  scratch_.tables.resize(groups * 16);
  kernels_.fill_tables(coordinates, groups, levels / widest, scratch_.tables.data());
  // Signs, not bits: <s, q'> = 2 * (sum where set) - (sum of all).
  estimate_.tables = scratch_.tables.data();
  estimate_.groups = groups;
  estimate_.step = 2.0f * widest / levels;
  estimate_.bias = 2.0f * smallest_sum - sum;
}

float CodeWalk::Score(uint32_t row) const {
  const std::byte* node = graph_.Node(row) + graph_.layout().row;
  const size_t dimension = graph_.meta().dimension;
  float score;
  if (graph_.meta().row_format == CodeRowFormat::kFloat) {
    score = KernelsFor(graph_.metric()).pair(query_, reinterpret_cast<const float*>(node),
                                             dimension);
  } else {
    const auto* halves = reinterpret_cast<const uint16_t*>(node);
    score = score_scale_ *
            (graph_.metric() == Metric::kEuclid
                 ? kernels_.euclid_half(scratch_.scaled_query.data(), halves, dimension)
                 : kernels_.dot_half(query_, halves, dimension));
  }
  return score == score ? score : -std::numeric_limits<float>::infinity();
}

void CodeWalk::Prefetch(uint32_t row) const {
  if (row >= graph_.row_count()) return;
  const std::byte* node = graph_.Node(row);
  for (size_t at = 0; at < graph_.layout().node_bytes; at += kCacheLine) {
    __builtin_prefetch(node + at);
  }
}

// Puts the neighbours of a block, whose own similarity is known, into the beams.
void CodeWalk::Meet(const std::byte* block, float similarity, const RowFilter* filter,
                    const ScoreAdjustment& adjustment, bool bridges_open) {
  const float scale = graph_.meta().factor_scale;
  const CodeNodeLayout& layout = graph_.layout();
  const bool adjusted = adjustment.active();
  alignas(64) float keys[kCodesPerBlock];
  estimate_.codes = reinterpret_cast<const uint8_t*>(block);
  estimate_.added = reinterpret_cast<const uint16_t*>(block + layout.added);
  estimate_.slope = reinterpret_cast<const uint16_t*>(block + layout.slope);
  estimate_.base = -similarity * scale;
  // Where rows are adjusted one by one the threshold is asked after that.
  CandidateBeam& beam = scratch_.beam;
  const bool wanted_all = adjusted || (bridges_open && filter != nullptr && !beam.full());
  estimate_.threshold =
      wanted_all ? std::numeric_limits<float>::infinity() : beam.threshold();
  uint32_t wanted = kernels_.estimate(estimate_, keys);
  const uint32_t* neighbours = graph_.Neighbours(block);
  for (; wanted != 0; wanted &= wanted - 1) {
    const auto j = static_cast<size_t>(std::countr_zero(wanted));
    const uint32_t row = neighbours[j];
    if (row >= graph_.row_count() || scratch_.visited.Contains(row)) continue;
    if (adjusted) keys[j] = -adjustment.Apply(row, -keys[j] / scale) * scale;
    if (!(keys[j] < beam.threshold())) continue;
    if (filter == nullptr || filter->Counts(row)) {
      beam.Insert(keys[j], row);
    } else if (bridges_open && keys[j] < scratch_.bridges.threshold()) {
      scratch_.bridges.Insert(keys[j], row);
    }
  }
}

bool CodeWalk::Walk(size_t beam_width, const RowFilter* filter, const ScoreAdjustment& adjustment,
                    const CancelCheck& cancel) {
  scratch_.visited.Start(graph_.row_count());
  scratch_.beam.Start(beam_width);
  scratch_.bridges.Start(filter != nullptr ? beam_width * kBridgesPerBeam : 0);
  scratch_.scored.clear();
  size_t bridges_left = beam_width * kBridgesPerBeam;
  CandidateBeam& beam = scratch_.beam;
  CandidateBeam& bridges = scratch_.bridges;
  if (graph_.seed_blocks() > 0) {
    const float* mean = graph_.rotation().mean().data();
    const float similarity =
        KernelsFor(graph_.metric()).pair(query_, mean, graph_.meta().dimension);
    for (size_t block = 0; block < graph_.seed_blocks(); ++block) {
      Meet(graph_.SeedBlock(block), similarity, filter, adjustment, true);
    }
  }
  for (uint64_t visits = 0;; ++visits) {
    if (visits % kVisitsBetweenCancelChecks == 0 && cancel.Expired()) return false;
    const bool more = beam.Advance();
    const bool bridges_open = filter != nullptr && (!beam.full() || bridges_left > 0);
    const bool bridge = bridges_open && bridges.Advance() &&
                        bridges.NextKey() < beam.threshold() &&
                        (!more || bridges.NextKey() < beam.NextKey());
    if (!more && !bridge) return true;
    if (bridge && beam.full()) --bridges_left;
    CandidateBeam& from = bridge ? bridges : beam;
    const uint32_t row = from.TakeNext();
    if (scratch_.visited.Contains(row)) continue;
    scratch_.visited.Insert(row);
    for (size_t ahead = 0; ahead < kPrefetchAhead; ++ahead) {
      Prefetch(from.PeekRow(ahead, graph_.row_count()));
    }
    const float similarity = Score(row);
    if (!bridge && graph_.Present(row)) {
      scratch_.scored.push_back(
          {row, adjustment.active() ? adjustment.Apply(row, similarity) : similarity});
    }
    Meet(graph_.Node(row), similarity, filter, adjustment, bridges_open);
  }
}

}  // namespace almagest
