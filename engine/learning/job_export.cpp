#include "engine/learning/job_export.h"

#include <algorithm>
#include <limits>
#include <set>

#include "engine/learning/feedback_codec.h"
#include "engine/learning/gate_history.h"
#include "engine/learning/text_leg_export.h"
#include "engine/learning/trainer_options.h"
#include "engine/learning/trusted_judgements.h"
#include "engine/learning/vector_file_writer.h"
#include "storage/base/file.h"
#include "storage/base/safetensors.h"

namespace almagest {
namespace {

constexpr size_t kRowsAtOnce = 2'048;
constexpr uint64_t kRowsMax = std::numeric_limits<int32_t>::max();
constexpr uint32_t kNotExported = UINT32_MAX;
constexpr size_t kLiveVersionsMax = 16;  // docs/job-folder.md; the newest are compared with.
// Of the export's time; the rest is feedback.
constexpr double kDocumentsShare = 0.8;

tl::unexpected<Error> Cancelled() { return Fail(ErrorCode::kUnavailable, "cancelled"); }

Result<> CheckRowCount(const char* what, uint64_t rows) {
  if (rows <= kRowsMax) return {};
  return Fail(ErrorCode::kResourceExhausted, std::string("there are ") + std::to_string(rows) +
                                                 " " + what + ", the limit is " +
                                                 std::to_string(kRowsMax));
}

// Appends the documents and returns the row of each slot (kNotExported: none).
Result<std::vector<uint32_t>> WriteDocuments(const Collection& collection, FieldId field,
                                             uint32_t dimension, const std::atomic<bool>& cancel,
                                             const std::function<void(double)>& on_progress,
                                             VectorFileWriter* file) {
  std::vector<Slot> slots;
  ALMAGEST_TRY_VOID(collection.VisitPoints(std::nullopt, [&](const PointId&, Slot slot) {
    slots.push_back(slot);
    return !cancel.load(std::memory_order_relaxed);
  }));
  std::sort(slots.begin(), slots.end());
  std::vector<uint32_t> row_of_slot(slots.empty() ? 0 : size_t{slots.back()} + 1, kNotExported);
  file->BeginMatrix("documents");
  std::vector<bool> present;
  for (size_t first = 0; first < slots.size(); first += kRowsAtOnce) {
    if (cancel.load()) return Cancelled();
    const std::span<const Slot> some =
        std::span(slots).subspan(first, std::min(kRowsAtOnce, slots.size() - first));
    ALMAGEST_TRY(std::vector<float> rows, collection.BaseVectors(field, some, &present));
    size_t kept = 0;
    for (size_t i = 0; i < some.size(); ++i) {
      if (!present[i]) continue;
      row_of_slot[some[i]] = static_cast<uint32_t>(file->row_count() + kept);
      const auto from = rows.begin() + static_cast<ptrdiff_t>(i * dimension);
      std::copy(from, from + dimension, rows.begin() + static_cast<ptrdiff_t>(kept * dimension));
      ++kept;
    }
    ALMAGEST_TRY_VOID(file->Append(std::span(rows).first(kept * dimension)));
    ALMAGEST_TRY_VOID(CheckRowCount("documents", file->row_count()));
    on_progress(kDocumentsShare * static_cast<double>(first) / static_cast<double>(slots.size()));
  }
  return row_of_slot;
}

using RowOf = JudgementBuilder::RowOf;

// What the files of a job say of each query beside its vector.
struct QueryNames {
  std::vector<std::optional<std::string>> texts;
  std::vector<int64_t> events;  // Of the feedback: the first that has it.
};

// Appends the query vectors, adds the names of each to `names`, and returns the judgements.
Result<Judgements> WriteQueries(const Collection& collection, const FeedbackStore& feedback,
                                const ExportRequest& request, uint32_t dimension,
                                const RowOf& row_of, const std::atomic<bool>& cancel,
                                VectorFileWriter* file,
                                QueryNames* names, JudgementCounts* counts) {
  JudgementBuilder builder(row_of);
  file->BeginMatrix("queries");
  Result<> written;
  ALMAGEST_TRY_VOID(feedback.Visit(
      collection.id(), 1, request.feedback_snapshot, [&](const FeedbackEvent& event) {
        if (cancel.load(std::memory_order_relaxed)) return false;
        if (event.vector_name != request.adaptation.vector_name ||
            event.query.size() != dimension || !MatchesFilter(event, request.adaptation.feedback)) {
          return true;
        }
        if (builder.Add(event)) {
          written = file->Append(event.query);
          names->texts.push_back(event.query_text);
          names->events.push_back(static_cast<int64_t>(event.id));
        }
        if (written) written = CheckRowCount("queries", builder.query_count());
        return written.has_value();
      }));
  if (cancel.load()) return Cancelled();
  ALMAGEST_TRY_VOID(std::move(written));
  return builder.Finish(counts);
}

// What was searched for lately, judged or not: the trainer looks at how far a new version moves its
// results. Returns how many there were.
Result<uint64_t> WriteGuardQueries(const Collection& collection, const ExportRequest& request,
                                   uint32_t dimension) {
  if (request.query_log == nullptr) return uint64_t{0};
  std::vector<float> values;
  for (const auto& query : request.query_log->Newest(
           collection.id(), request.adaptation.vector_name, kGuardQueriesMax)) {
    if (query->base_vector.size() != dimension) continue;
    values.insert(values.end(), query->base_vector.begin(), query->base_vector.end());
  }
  const uint64_t rows = values.size() / dimension;
  if (rows == 0) return rows;
  SafetensorsWriter writer;
  writer.AddFloat32("queries", {static_cast<int64_t>(rows), dimension}, values);
  ALMAGEST_TRY_VOID(writer.Write(request.folder / "guard.safetensors"));
  return rows;
}

// A side of an adapter as full tensors, as the job folder wants them.
void AddSide(const std::string& name, const std::shared_ptr<const LinearMap>& map, int64_t d,
             std::vector<std::vector<float>>* storage, SafetensorsWriter* writer) {
  std::vector<float> weights(static_cast<size_t>(d * d), 0.0f);
  std::vector<float> bias(static_cast<size_t>(d), 0.0f);
  if (map == nullptr || map->is_identity()) {
    for (int64_t i = 0; i < d; ++i) weights[static_cast<size_t>(i * d + i)] = 1;
  } else {
    weights.assign(map->weights().begin(), map->weights().end());
    if (!map->bias().empty()) bias.assign(map->bias().begin(), map->bias().end());
  }
  storage->push_back(std::move(weights));
  writer->AddFloat32(name + "_weight", {d, d}, storage->back());
  storage->push_back(std::move(bias));
  writer->AddFloat32(name + "_bias", {d}, storage->back());
}

}  // namespace

void AddJudgementTensors(const Judgements& judgements, SafetensorsWriter* writer) {
  const std::vector<int64_t> shape = {static_cast<int64_t>(judgements.query.size())};
  writer->AddInt32("query", shape, judgements.query);
  writer->AddInt32("document", shape, judgements.document);
  writer->AddFloat32("grade", shape, judgements.grade);
  writer->AddFloat32("weight", shape, judgements.weight);
  writer->AddInt32("user", shape, judgements.user);
}

Result<> WriteAdapterFile(const std::filesystem::path& path, const std::string& kind,
                          const AdapterMaps& maps, uint32_t dimension) {
  const bool maps_documents = maps.document != nullptr && !maps.document->is_identity();
  SafetensorsWriter writer;
  writer.SetMetadata("kind", kind);
  writer.SetMetadata("document_side", maps_documents ? "linear" : "identity");
  writer.SetMetadata("dimension", std::to_string(dimension));
  std::vector<std::vector<float>> storage;  // Moving a vector keeps the address of its floats.
  AddSide("query", maps.query, dimension, &storage, &writer);
  AddSide("document", maps.document, dimension, &storage, &writer);
  const ResidualTensors none;
  AddResidual(maps.query_residual ? maps.query_residual->tensors() : none, dimension, &writer);
  return writer.Write(path);
}

Result<std::vector<VersionId>> LiveVersions(const Collection& collection,
                                            const std::string& vector_name) {
  ALMAGEST_TRY(const Collection::Field field, collection.FindField(vector_name));
  ALMAGEST_TRY(const auto versions, collection.Versions(vector_name));
  std::set<VersionId> live = {versions->active()};
  const auto view = collection.view();
  for (const auto& segment : view->segments) {
    if (const auto dense = segment->dense(field.id)) live.insert(dense->version);
  }
  return std::vector<VersionId>(live.begin(), live.end());
}

Result<ExportSummary> ExportJob(const Collection& collection, const FeedbackStore& feedback,
                                const ExportRequest& request, const std::atomic<bool>& cancel,
                                const std::function<void(double)>& on_progress) {
  const std::string& vector_name = request.adaptation.vector_name;
  ALMAGEST_TRY(const Collection::Field field, collection.FindField(vector_name));
  ALMAGEST_TRY(const auto versions, collection.Versions(vector_name));
  const uint32_t dimension = field.dense.dimension;
  ExportSummary summary;
  summary.active_version = versions->active();
  ALMAGEST_TRY(const auto file,
               VectorFileWriter::Create(request.folder / "vectors.safetensors", dimension));
  ALMAGEST_TRY(const auto row_of_slot,
               WriteDocuments(collection, field.id, dimension, cancel, on_progress, file.get()));
  summary.documents = file->row_count();
  const RowOf row_of = [&](const PointId& id) -> std::optional<int32_t> {
    const Slot slot = collection.FindSlot(id);
    if (slot >= row_of_slot.size() || row_of_slot[slot] == kNotExported) return std::nullopt;
    return static_cast<int32_t>(row_of_slot[slot]);
  };
  QueryNames names;
  ALMAGEST_TRY(const Judgements judgements,
               WriteQueries(collection, feedback, request, dimension, row_of, cancel, file.get(),
                            &names, &summary.counts));
  summary.queries = file->row_count();
  summary.bytes = file->bytes_written();
  ALMAGEST_TRY_VOID(file->Finish());
  SafetensorsWriter judgements_file;
  AddJudgementTensors(judgements, &judgements_file);
  ALMAGEST_TRY_VOID(judgements_file.Write(request.folder / "judgements.safetensors"));
  // In a file of its own: numbers of events tell of others, deleted ones too, and what is trained
  // from may not.
  SafetensorsWriter names_file;
  names_file.AddInt64("event", {static_cast<int64_t>(names.events.size())}, names.events);
  ALMAGEST_TRY_VOID(names_file.Write(request.folder / "query_names.safetensors"));
  ALMAGEST_TRY(
      [[maybe_unused]] const bool has_text_leg,
      WriteTextLeg(collection, names.texts, row_of, cancel,
                   request.folder / "text_leg.safetensors"));
  ALMAGEST_TRY([[maybe_unused]] const bool has_neighbours,
               WriteNeighbours(collection, summary.documents, summary.queries, row_of, cancel,
                               request.folder / "neighbours.safetensors"));

  ALMAGEST_TRY(summary.guard_queries, WriteGuardQueries(collection, request, dimension));

  if (request.adaptation.trusted) {
    ALMAGEST_TRY(summary.trusted_queries,
                 WriteTrusted(collection, vector_name, *request.adaptation.trusted, row_of,
                              request.folder / "trusted.safetensors"));
  }

  TrainerJob job{request.job_id,
                 collection.name(),
                 field.dense.distance,
                 dimension,
                 request.threads,
                 summary.active_version,
                 {summary.active_version},
                 GateNumber(*versions, summary.counts.events_used, request.adaptation.feedback)};
  ALMAGEST_TRY(const auto live, LiveVersions(collection, vector_name));
  for (auto id = live.rbegin(); id != live.rend(); ++id) {  // Newest first.
    // One that `versions` does not know was activated since: it is not what we compare with.
    if (versions->Find(*id) == nullptr || *id == summary.active_version) continue;
    if (job.live_versions.size() < kLiveVersionsMax) job.live_versions.push_back(*id);
  }
  std::error_code error;
  std::filesystem::create_directory(request.folder / "versions", error);
  for (const VersionId id : job.live_versions) {
    if (id == 0) continue;
    ALMAGEST_TRY(const auto maps, versions->Maps(id));
    ALMAGEST_TRY_VOID(
        WriteAdapterFile(request.folder / "versions" / (std::to_string(id) + ".safetensors"),
                         versions->Find(id)->kind, *maps, dimension));
  }
  ALMAGEST_TRY(const std::string config, MakeTrainerConfig(job, request.adaptation));
  ALMAGEST_TRY_VOID(WriteFileAtomically(request.folder / "config.json", config));
  on_progress(1);
  return summary;
}

}  // namespace almagest
