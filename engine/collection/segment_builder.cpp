#include "engine/collection/segment_builder.h"

#include <algorithm>

#include "engine/collection/sealed_segment.h"
#include "engine/collection/stored_vectors.h"
#include "engine/index/dense_rows.h"
#include "engine/index/hnsw_build.h"
#include "engine/index/row_filter.h"
#include "engine/index/section_writer.h"
#include "engine/index/sparse_index.h"

namespace almagest {
namespace {

// The served rows of one field.
struct ServedRows {
  std::vector<float> rows;
  std::vector<uint64_t> present;
  std::vector<float> norms;  // Empty where none are kept.
  size_t present_count = 0;
};

Result<ServedRows> ReadServedRows(const SegmentPlan& plan, const SegmentPlan::Dense& field,
                                  const KeyValueStore& store, StepThrottle& throttle) {
  const size_t count = plan.slots.size();
  const size_t dimension = field.config.dimension;
  const bool normalised = field.config.distance == Distance::kCosine;
  const bool mapped = field.document != nullptr && !field.document->is_identity();
  ServedRows served;
  served.rows.resize(count * dimension);
  served.present.assign(BitmapWords(count), 0);
  if (mapped && normalised) served.norms.resize(count);
  std::vector<float> base(mapped ? kStoredVectorsBatch * dimension : 0);
  std::vector<bool> present;
  for (size_t first = 0; first < count; first += kStoredVectorsBatch) {
    const size_t rows = std::min(kStoredVectorsBatch, count - first);
    const std::span<float> place(served.rows.data() + first * dimension, rows * dimension);
    const std::span<float> given = mapped ? std::span(base).first(rows * dimension) : place;
    ALMAGEST_TRY_VOID(ReadDenseVectors(store, plan.collection, field.id,
                                       std::span(plan.slots).subspan(first, rows),
                                       field.config.dimension, given, &present));
    if (mapped) {
      const auto norms =
          normalised ? std::span(served.norms).subspan(first, rows) : std::span<float>();
      field.document->ApplyBatch(given, rows, place, normalised, norms);
    }
    for (size_t i = 0; i < rows; ++i) {
      if (present[i]) {
        served.present[(first + i) / 64] |= uint64_t{1} << ((first + i) % 64);
        ++served.present_count;
        continue;
      }
      std::ranges::fill(place.subspan(i * dimension, dimension), 0.0f);
      if (!served.norms.empty()) served.norms[first + i] = 0.0f;
    }
    ALMAGEST_TRY_VOID(throttle.Check());
  }
  return served;
}

Result<HnswGraphArrays> BuildGraph(const SegmentPlan& plan, const SegmentPlan::Dense& field,
                                   const ServedRows& served, StepThrottle& throttle) {
  DenseRowsView rows;
  rows.data = served.rows.data();
  rows.count = static_cast<uint32_t>(plan.slots.size());
  rows.dimension = field.config.dimension;
  rows.stride = field.config.dimension;
  if (served.present_count < plan.slots.size()) rows.present_words = served.present.data();
  HnswBuildOptions options;
  options.degree = field.config.hnsw.degree;
  options.build_beam = field.config.hnsw.build_beam;
  options.seed = plan.id;
  options.progress = [&throttle](size_t) { return throttle.Continue(); };
  return BuildHnsw(rows, MetricOf(field.config.distance), options);
}

Result<> WriteDense(const SegmentPlan& plan, const SegmentPlan::Dense& field,
                    const KeyValueStore& store, SectionWriter& writer, StepThrottle& throttle) {
  ALMAGEST_TRY(const ServedRows served, ReadServedRows(plan, field, store, throttle));
  if (served.present_count == 0) return {};
  const uint64_t bytes = uint64_t{plan.slots.size()} * field.config.dimension * sizeof(float);
  DenseFieldInfo info;
  info.version = field.version;
  info.dimension = field.config.dimension;
  info.has_graph = bytes >= field.config.hnsw.full_scan_threshold_kb * 1024 ? 1 : 0;
  ALMAGEST_TRY_VOID(writer.AddValue(DenseSection(field.id, "info"), info));
  ALMAGEST_TRY_VOID(writer.AddArray<float>(DenseSection(field.id, "rows"), served.rows));
  if (served.present_count < plan.slots.size()) {
    ALMAGEST_TRY_VOID(writer.AddArray<uint64_t>(DenseSection(field.id, "present"), served.present));
  }
  if (!served.norms.empty()) {
    ALMAGEST_TRY_VOID(writer.AddArray<float>(DenseSection(field.id, "norms"), served.norms));
  }
  ALMAGEST_TRY_VOID(throttle.Check());
  if (info.has_graph == 0) return {};
  ALMAGEST_TRY(const HnswGraphArrays graph, BuildGraph(plan, field, served, throttle));
  return graph.View().Write(writer, DenseSection(field.id, "graph"));
}

Result<> WriteSparse(const SegmentPlan& plan, FieldId field, const KeyValueStore& store,
                     SectionWriter& writer, StepThrottle& throttle) {
  SparseIndexBuilder builder;
  const size_t count = plan.slots.size();
  bool any = false;
  for (size_t first = 0; first < count; first += kStoredVectorsBatch) {
    const auto slots =
        std::span(plan.slots).subspan(first, std::min(kStoredVectorsBatch, count - first));
    ALMAGEST_TRY(const auto vectors, ReadSparseVectors(store, plan.collection, field, slots));
    for (size_t i = 0; i < vectors.size(); ++i) {
      if (!vectors[i]) continue;
      ALMAGEST_TRY_VOID(
          builder.Add(static_cast<uint32_t>(first + i), {vectors[i]->indices, vectors[i]->values}));
      any = true;
    }
    ALMAGEST_TRY_VOID(throttle.Check());
  }
  if (!any) return {};
  const SparseIndexArrays arrays = builder.Finish(static_cast<uint32_t>(count));
  ALMAGEST_TRY_VOID(throttle.Check());
  return arrays.View().Write(writer, SparseSection(field));
}

}  // namespace

Metric MetricOf(Distance distance) {
  switch (distance) {
    case Distance::kCosine:
    case Distance::kDot:
      return Metric::kDot;
    case Distance::kEuclid:
      return Metric::kEuclid;
    case Distance::kManhattan:
      return Metric::kManhattan;
  }
  return Metric::kDot;
}

Result<> BuildSegmentFile(const SegmentPlan& plan, const KeyValueStore& store,
                          StepThrottle& throttle) {
  ALMAGEST_TRY(SectionWriter writer, SectionWriter::Create(plan.path));
  SegmentFileInfo info;
  info.id = plan.id;
  info.rows = static_cast<uint32_t>(plan.slots.size());
  ALMAGEST_TRY_VOID(writer.AddValue("info", info));
  ALMAGEST_TRY_VOID(writer.AddArray<Slot>("slots", plan.slots));
  ALMAGEST_TRY_VOID(writer.AddArray<SequenceNumber>("vector_sequences", plan.vector_sequences));
  for (const SegmentPlan::Dense& field : plan.dense) {
    ALMAGEST_TRY_VOID(WriteDense(plan, field, store, writer, throttle));
  }
  for (const FieldId field : plan.sparse) {
    ALMAGEST_TRY_VOID(WriteSparse(plan, field, store, writer, throttle));
  }
  return writer.Finish();
}

}  // namespace almagest
