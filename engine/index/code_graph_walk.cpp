#include "engine/index/code_graph_walk.h"

#include <cmath>

namespace almagest {
namespace {

constexpr uint64_t kVisitsBetweenCancelChecks = 128;
constexpr size_t kBridgesKeptPerBeam = 4;  // The best of those met.
constexpr size_t kPrefetchAhead = 3;
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
  // Stored rows are the rows less an offset, times a power of two: so is the query, and the score
  // is scaled back.
  const CodeGraphMeta& meta = graph.meta();
  row_query_ = query;
  if (meta.row_format == CodeRowFormat::kFloat) return;
  const bool euclidean = graph.metric() == Metric::kEuclid;
  if (euclidean && (meta.row_scale != 1.0f || meta.row_offset != 0.0f)) {
    scratch_.scaled_query.resize(meta.dimension);
    float* scaled = scratch_.scaled_query.data();
    for (size_t i = 0; i < meta.dimension; ++i) {
      scaled[i] = (query[i] - meta.row_offset) * meta.row_scale;
    }
    row_query_ = scaled;
  }
  if (!euclidean && meta.row_offset != 0.0f) {
    double sum = 0.0;
    for (size_t i = 0; i < meta.dimension; ++i) sum += static_cast<double>(query[i]);
    score_added_ = static_cast<float>(sum * static_cast<double>(meta.row_offset));
  }
  score_scale_ = euclidean ? -1.0f / meta.row_scale / meta.row_scale : 1.0f / meta.row_scale;
}

void CodeWalk::FillTables() {
  const size_t groups = graph_.layout().groups;
  const float* coordinates = scratch_.rotated.data();
  const TableRange range = kernels_.table_range(coordinates, groups);
  const auto levels = static_cast<float>(kCodeTableMax);
  scratch_.tables.resize(groups * 16);
  kernels_.fill_tables(coordinates, groups, levels / range.widest, scratch_.tables.data());
  // Signs, not bits: <s, q'> = 2 * (sum where set) - (sum of all).
  estimate_.tables = scratch_.tables.data();
  estimate_.groups = groups;
  estimate_.step = 2.0f * range.widest / levels;
  estimate_.bias = 2.0f * range.smallest_sum - range.sum;
}

float CodeWalk::Score(uint32_t row) const {
  if (exact_rows_ != nullptr) {
    return KernelsFor(graph_.metric()).pair(query_, exact_rows_->Row(row), exact_rows_->dimension);
  }
  const std::byte* stored = graph_.Node(row) + graph_.layout().row;
  const size_t dimension = graph_.meta().dimension;
  const bool euclidean = graph_.metric() == Metric::kEuclid;
  float score = 0.0f;
  switch (graph_.meta().row_format) {
    case CodeRowFormat::kFloat:
      return KernelsFor(graph_.metric())
          .pair(query_, reinterpret_cast<const float*>(stored), dimension);
    case CodeRowFormat::kHalf:
    case CodeRowFormat::kExactHalf: {
      const auto kernel = euclidean ? kernels_.euclid_half : kernels_.dot_half;
      score = kernel(row_query_, reinterpret_cast<const uint16_t*>(stored), dimension);
      break;
    }
    case CodeRowFormat::kByte: {
      const auto kernel = euclidean ? kernels_.euclid_byte : kernels_.dot_byte;
      score = kernel(row_query_, reinterpret_cast<const uint8_t*>(stored), dimension);
      break;
    }
  }
  score = score * score_scale_ + score_added_;
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
  estimate_.threshold = wanted_all ? std::numeric_limits<float>::infinity() : beam.threshold();
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

bool CodeWalk::Walk(size_t beam_width, const RowFilter* filter, size_t bridges_max,
                    const ScoreAdjustment& adjustment, const CancelCheck& cancel) {
  scratch_.visited.Start(graph_.row_count());
  if (excluded_ < graph_.row_count()) scratch_.visited.Insert(excluded_);
  scratch_.beam.Start(beam_width);
  scratch_.bridges.Start(filter != nullptr ? beam_width * kBridgesKeptPerBeam : 0);
  scratch_.scored.clear();
  size_t bridges_left = bridges_max;
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
    const bool bridge = bridges_open && bridges.Advance() && bridges.NextKey() < beam.threshold() &&
                        (!more || bridges.NextKey() < beam.NextKey());
    if (!more && !bridge) break;
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
  bridges_end_ = std::numeric_limits<float>::infinity();
  if (filter == nullptr) return true;
  if (bridges.full()) bridges_end_ = bridges.threshold();
  if (bridges_left == 0 && bridges.Advance()) {
    bridges_end_ = std::min(bridges_end_, bridges.NextKey());
  }
  return true;
}

}  // namespace almagest
