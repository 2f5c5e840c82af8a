#include "engine/collection/segment_builder.h"

#include <algorithm>
#include <thread>

#include "engine/collection/sealed_segment.h"
#include "engine/collection/stored_vectors.h"
#include "engine/index/code_graph_build.h"
#include "engine/index/code_graph_tune.h"
#include "engine/index/dense_rows.h"
#include "engine/index/hnsw_build.h"
#include "engine/index/row_filter.h"
#include "engine/index/section_numbers.h"
#include "engine/index/section_writer.h"
#include "engine/index/sparse_index.h"
#include "storage/base/checksum.h"

namespace almagest {
namespace {

constexpr uint32_t kBuildThreadsMax = 8;

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

DenseRowsView ViewOf(const SegmentPlan& plan, const SegmentPlan::Dense& field,
                     const ServedRows& served) {
  DenseRowsView rows;
  rows.data = served.rows.data();
  rows.count = static_cast<uint32_t>(plan.slots.size());
  rows.dimension = field.config.dimension;
  rows.stride = field.config.dimension;
  if (served.present_count < plan.slots.size()) rows.present_words = served.present.data();
  return rows;
}

Result<> WriteRows(const SegmentPlan& plan, const SegmentPlan::Dense& field,
                   const ServedRows& served, SectionWriter& writer) {
  ALMAGEST_TRY_VOID(writer.AddArray<float>(DenseSection(field.id, "rows"), served.rows));
  if (served.present_count == plan.slots.size()) return {};
  return writer.AddArray<uint64_t>(DenseSection(field.id, "present"), served.present);
}

Result<> WriteHnsw(const SegmentPlan& plan, const SegmentPlan::Dense& field,
                   const DenseRowsView& rows, SectionWriter& writer, StepThrottle& throttle) {
  HnswBuildOptions options;
  options.degree = field.config.hnsw.degree;
  options.build_beam = field.config.hnsw.build_beam;
  options.seed = plan.id;
  options.progress = [&throttle](size_t) { return throttle.Continue(); };
  ALMAGEST_TRY(const HnswGraphArrays graph,
               BuildHnsw(rows, MetricOf(field.config.distance), options));
  return graph.View().Write(writer, DenseSection(field.id, "graph"));
}

CodeGraphBuildOptions CodeOptions(const SegmentPlan& plan, const SegmentPlan::Dense& field,
                                  const DenseRowsView& rows, StepThrottle& throttle) {
  const HnswConfig& hnsw = field.config.hnsw;
  const Quantization& quantization = field.config.quantization;
  const uint32_t threads = std::clamp(std::thread::hardware_concurrency(), 1u, kBuildThreadsMax);
  CodeGraphBuildOptions options;
  options.degree = std::min(2 * hnsw.degree, kCodeGraphDegree);
  options.build_beam = std::clamp(3 * hnsw.build_beam, kCodeGraphDegree, 4096u);
  options.thread_count = hnsw.build_threads == 0 ? threads : std::min(threads, hnsw.build_threads);
  options.seed = plan.id;
  options.progress = [&throttle, count = options.thread_count](size_t) {
    return throttle.Continue(count);
  };
  const bool half_will_do = HalfRowsWillDo(rows, MetricOf(field.config.distance));
  options.row_format = half_will_do ? CodeRowFormat::kHalf : CodeRowFormat::kFloat;
  switch (quantization.kind) {
    case Quantization::Kind::kDefault:
      break;
    case Quantization::Kind::kNone:
      options.row_format = CodeRowFormat::kFloat;
      break;
    case Quantization::Kind::kScalar:
      options.row_format = CodeRowFormat::kByte;
      options.byte_quantile = quantization.quantile;
      break;
    case Quantization::Kind::kBinary: {
      const auto bits = static_cast<uint32_t>(rows.dimension * quantization.code_share);
      options.code_bits = std::clamp((bits + 7) / 8 * 8, kCodeBitsMin, kCodeBitsMax);
      break;
    }
  }
  return options;
}

bool IndexWanted(const DenseVectorConfig& config, uint32_t rows) {
  if (config.hnsw.degree == 0) return false;
  const uint64_t bytes = uint64_t{rows} * config.dimension * sizeof(float);
  return bytes >= config.hnsw.full_scan_threshold_kb * 1024;
}

// The rows, the graph if the field is large enough to need one, and what `info` says of them.
Result<> WriteRowsAndIndex(const SegmentPlan& plan, const SegmentPlan::Dense& field,
                           const ServedRows& served, SectionWriter& writer, StepThrottle& throttle,
                           DenseFieldInfo& info) {
  const DenseRowsView rows = ViewOf(plan, field, served);
  const bool wanted = IndexWanted(field.config, rows.count);
  const Metric metric = MetricOf(field.config.distance);
  if (!wanted || metric == Metric::kManhattan) {
    ALMAGEST_TRY_VOID(WriteRows(plan, field, served, writer));
    if (!wanted) return {};
    info.index = DenseIndexKind::kHnsw;
    return WriteHnsw(plan, field, rows, writer, throttle);
  }
  CodeGraphBuildOptions options = CodeOptions(plan, field, rows, throttle);
  std::optional<Segment::DenseField> reused;  // Its graph lives as long as the segment.
  if (field.reused) reused = plan.reused->dense(field.id);
  if (reused && reused->code_graph != nullptr) {
    options.known = {reused->code_graph, plan.reused_rows_now};
  }
  ALMAGEST_TRY(const CodeGraphArrays arrays, BuildCodeGraph(rows, metric, options));
  const CodeGraph graph = arrays.View();
  if (!graph.rows_exact()) ALMAGEST_TRY_VOID(WriteRows(plan, field, served, writer));
  const Quantization& quantization = field.config.quantization;
  BeamTuningOptions tuning;
  tuning.seed = plan.id;
  tuning.rescored = !graph.rows_exact();
  tuning.go_on = [&throttle] { return throttle.Continue(); };
  info.index = DenseIndexKind::kCodeGraph;
  info.rescored = tuning.rescored ? 1 : 0;
  info.placement = static_cast<uint32_t>(quantization.placement);
  info.beam_width = TuneBeamWidth(graph, rows, tuning).beam_width;
  ALMAGEST_TRY_VOID(throttle.Check());
  return graph.Write(writer, DenseSection(field.id, "graph"));
}

Result<> WriteDense(const SegmentPlan& plan, const SegmentPlan::Dense& field,
                    const KeyValueStore& store, SectionWriter& writer, StepThrottle& throttle) {
  ALMAGEST_TRY(const ServedRows served, ReadServedRows(plan, field, store, throttle));
  if (served.present_count == 0) return {};
  DenseFieldInfo info;
  info.version = field.version;
  info.dimension = field.config.dimension;
  info.settings = IndexSettings(field.config, static_cast<uint32_t>(plan.slots.size()));
  if (!served.norms.empty()) {
    ALMAGEST_TRY_VOID(writer.AddArray<float>(DenseSection(field.id, "norms"), served.norms));
  }
  ALMAGEST_TRY_VOID(throttle.Check());
  ALMAGEST_TRY_VOID(WriteRowsAndIndex(plan, field, served, writer, throttle, info));
  return writer.AddValue(DenseSection(field.id, "info"), info);
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

// Vectors stream through, a few points at a time; what is kept is one offset per row.
Result<> WriteMulti(const SegmentPlan& plan, const SegmentPlan::Multi& field,
                    const KeyValueStore& store, SectionWriter& writer, StepThrottle& throttle) {
  const size_t count = plan.slots.size();
  std::vector<uint64_t> offsets{0};
  offsets.reserve(count + 1);
  for (size_t first = 0; first < count; first += kStoredMultiVectorsBatch) {
    const auto slots =
        std::span(plan.slots).subspan(first, std::min(kStoredMultiVectorsBatch, count - first));
    ALMAGEST_TRY(const auto vectors,
                 ReadMultiVectors(store, plan.collection, field.id, slots, field.dimension));
    for (const auto& vector : vectors) {
      offsets.push_back(offsets.back() + (vector ? vector->rows() : 0));
      if (!vector) continue;
      const bool is_first = offsets.back() == vector->rows();
      if (is_first) ALMAGEST_TRY_VOID(writer.Begin(MultiSection(field.id, "vectors")));
      ALMAGEST_TRY_VOID(writer.Append(std::as_bytes(std::span<const float>(vector->values))));
    }
    ALMAGEST_TRY_VOID(throttle.Check());
  }
  if (offsets.back() == 0) return {};
  ALMAGEST_TRY_VOID(writer.End());
  ALMAGEST_TRY_VOID(writer.AddArray<uint64_t>(MultiSection(field.id, "offsets"), offsets));
  return writer.AddValue(MultiSection(field.id, "info"),
                         MultiFieldInfo{field.dimension, 0, offsets.back()});
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

uint32_t IndexSettings(const DenseVectorConfig& config, uint32_t rows) {
  if (!IndexWanted(config, rows)) return 0;
  const Quantization& quantization = config.quantization;
  uint64_t mixed = 0;
  for (const uint64_t part :
       {uint64_t{config.hnsw.degree}, uint64_t{config.hnsw.build_beam},
        static_cast<uint64_t>(quantization.kind), static_cast<uint64_t>(quantization.placement),
        static_cast<uint64_t>(quantization.quantile * 1e6),
        static_cast<uint64_t>(quantization.code_share * 1e6)}) {
    mixed = Mix64(mixed ^ part);
  }
  return static_cast<uint32_t>(mixed) | 1;
}

Result<> BuildSegmentFile(const SegmentPlan& plan, const KeyValueStore& store,
                          StepThrottle& throttle) {
  ALMAGEST_TRY(SectionWriter writer, SectionWriter::Create(plan.path));
  SegmentFileInfo info;
  info.id = plan.id;
  info.rows = static_cast<uint32_t>(plan.slots.size());
  ALMAGEST_TRY_VOID(writer.AddValue("info", info));
  ALMAGEST_TRY_VOID(WriteNumbers(writer, "slots", plan.slots));
  ALMAGEST_TRY_VOID(WriteNumbers(writer, "vector_sequences", plan.vector_sequences));
  for (const SegmentPlan::Dense& field : plan.dense) {
    ALMAGEST_TRY_VOID(WriteDense(plan, field, store, writer, throttle));
  }
  for (const FieldId field : plan.sparse) {
    ALMAGEST_TRY_VOID(WriteSparse(plan, field, store, writer, throttle));
  }
  for (const SegmentPlan::Multi& field : plan.multi) {
    ALMAGEST_TRY_VOID(WriteMulti(plan, field, store, writer, throttle));
  }
  return writer.Finish();
}

}  // namespace almagest
