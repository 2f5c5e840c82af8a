// Collection's adapter versions and its optimizer steps.
#include <algorithm>
#include <array>

#include "engine/collection/checkpoint.h"
#include "engine/collection/collection_state.h"
#include "engine/collection/row_factors.h"
#include "engine/collection/version_store.h"
#include "storage/base/memory_limit.h"

namespace almagest {
namespace {

// How long without a write until a small growing segment is sealed.
constexpr std::chrono::seconds kIdleTime{2};

Result<const CollectionField*> FindDense(const CollectionState& state, const std::string& name) {
  const CollectionField* field = state.FindField(name);
  if (field == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, "Not existing vector name error: " + name);
  }
  if (field->is_sparse) {
    return Fail(ErrorCode::kInvalidArgument,
                "vector '" + name + "' is sparse; adapter versions belong to dense vectors");
  }
  if (field->is_multi) {
    return Fail(
        ErrorCode::kInvalidArgument,
        "vector '" + name + "' is a multi-vector; adapter versions belong to dense vectors");
  }
  return field;
}

struct RowCounts {
  uint64_t total = 0;
  uint64_t done = 0;
};

RowCounts CountRows(const CollectionView& view, FieldId field) {
  RowCounts counts;
  const VersionSet& set = *view.versions.at(field);
  for (const auto& segment : view.segments) {
    const auto dense = segment->dense(field);
    if (!dense) continue;
    const uint32_t deleted = segment->deleted_count();
    const uint32_t rows = segment->row_count();
    counts.total += rows - deleted;
    if (set.SameDocumentMap(dense->version, set.active())) counts.done += rows - deleted;
  }
  return counts;
}

// About what a rewrite of the segments takes: the rows, and their index.
uint64_t BuildBytes(const CollectionState& state, const OptimizerStep& step) {
  uint64_t bytes = 0;
  const auto view = state.View();
  for (const auto& segment : view->segments) {
    if (std::ranges::find(step.segments, segment->id()) == step.segments.end()) continue;
    bytes += 2 * (segment->bytes_on_disk() + segment->bytes_in_memory());
  }
  return bytes;
}

}  // namespace

Result<std::shared_ptr<const VersionSet>> Collection::Versions(
    const std::string& vector_name) const {
  ALMAGEST_TRY(const CollectionField* field, FindDense(*state_, vector_name));
  return view()->versions.at(field->id);
}

Result<VersionId> Collection::AddVersion(const std::string& vector_name, AdapterVersion version,
                                         const std::string& adapter_safetensors) {
  State& state = *state_;
  ALMAGEST_TRY(const CollectionField* field, FindDense(state, vector_name));
  if (!field->adaptable()) {
    return Fail(ErrorCode::kFailedPrecondition, "vector '" + vector_name + "' has distance " +
                                                    std::string(DistanceName(field->distance)) +
                                                    "; adapters need Cosine or Dot");
  }
  if (version.status != VersionStatus::kRejected) version.status = VersionStatus::kCandidate;
  ALMAGEST_TRY_VOID(ParseAdapter(adapter_safetensors, field->dimension, &version));
  version.fusion = LearnedFusionOf(version.report_json);
  if (const auto& document = version.maps->document) {
    // What cannot be inverted could never be left again, nor searched by another version.
    ALMAGEST_TRY_VOID(CrossVersionMap::Compose(LinearMap::Identity(field->dimension), *document));
  }
  version.maps = nullptr;  // Read when it is searched by.
  const std::lock_guard versions_lock(state.versions_mutex);
  const std::lock_guard lock(state.writer_mutex);
  ALMAGEST_TRY_VOID(FindDense(state, vector_name));  // Or it was removed meanwhile.
  const VersionSet& set = *state.versions.at(field->id);
  if (set.Find(version.parent) == nullptr) {
    return Fail(ErrorCode::kNotFound, "vector '" + vector_name + "' has no version " +
                                          std::to_string(version.parent) + " to be the parent");
  }
  ManifestRecord next = state.manifest;
  version.id = next.fields[field->id].next++;
  WriteBatch batch;
  PutVersion(state.id, field->id, version, adapter_safetensors, &batch);
  ALMAGEST_TRY_VOID(state.CommitManifest(std::move(next), std::move(batch)));
  std::vector<AdapterVersion> versions = set.versions();
  const VersionId id = version.id;
  versions.push_back(std::move(version));
  state.versions[field->id] = set.Successor(std::move(versions), set.active());
  state.PublishView();
  return id;
}

Result<> Collection::PrepareVersion(const std::string& vector_name, VersionId version) const {
  ALMAGEST_TRY(const CollectionField* field, FindDense(*state_, vector_name));
  const auto current = view();
  const VersionSet& set = *current->versions.at(field->id);
  if (set.Find(version) == nullptr) {
    return Fail(ErrorCode::kNotFound,
                "vector '" + vector_name + "' has no version " + std::to_string(version));
  }
  for (const auto& segment : current->segments) {
    ALMAGEST_TRY_VOID(PrepareRowFactors(set, *segment, field->id, version, /*keep=*/false));
  }
  return {};
}

Result<> Collection::ActivateVersion(const std::string& vector_name, VersionId version,
                                     bool force) {
  State& state = *state_;
  ALMAGEST_TRY(const CollectionField* field, FindDense(state, vector_name));
  // No other call changes the field's versions meanwhile.
  const std::lock_guard versions_lock(state.versions_mutex);
  const auto current = state.View();
  const VersionSet& set = *current->versions.at(field->id);
  if (set.Find(version) == nullptr) {
    return Fail(ErrorCode::kNotFound,
                "vector '" + vector_name + "' has no version " + std::to_string(version));
  }
  if (set.active() == version) return {};
  if (set.Find(version)->status == VersionStatus::kRejected && !force) {
    return Fail(ErrorCode::kFailedPrecondition,
                "version " + std::to_string(version) + " of vector '" + vector_name +
                    "' was rejected; activate it with force if you mean it");
  }
  // Only what the active version is made of has to be in memory.
  std::vector<AdapterVersion> versions = set.versions();
  ALMAGEST_TRY(const auto maps, set.Maps(version));
  for (AdapterVersion& known : versions) known.maps = known.id == version ? maps : nullptr;
  const auto activated = set.Successor(std::move(versions), version);
  // Most of the work, while searches and writes go on.
  for (const auto& segment : current->segments) {
    ALMAGEST_TRY_VOID(PrepareActive(*activated, *segment, field->id));
  }

  const std::lock_guard lock(state.writer_mutex);
  // What was written or rewritten since.
  for (const SegmentHandle& handle : state.segments) {
    ALMAGEST_TRY_VOID(PrepareActive(*activated, *handle.segment(), field->id));
  }
  const VersionId previous = set.active();
  ManifestRecord next = state.manifest;
  FieldVersions& numbers = next.fields[field->id];
  numbers.previous = previous;
  numbers.active = version;
  WriteBatch batch;
  ALMAGEST_TRY_VOID(
      PutVersionStatus(state.store, state.id, field->id, version, VersionStatus::kActive, &batch));
  ALMAGEST_TRY_VOID(PutVersionStatus(state.store, state.id, field->id, set.active(),
                                     VersionStatus::kRetired, &batch));
  ALMAGEST_TRY_VOID(state.CommitManifest(std::move(next), std::move(batch)));
  if (state.growing && !set.SameDocumentMap(state.growing->version(field->id), version)) {
    state.FreezeGrowing();
  }
  // The previous one stays ready for a rollback.
  const std::array<VersionId, 2> kept = {set.DocumentGroup(version), set.DocumentGroup(previous)};
  state.versions[field->id] = activated;
  state.PublishView();
  for (const SegmentHandle& handle : state.segments) {
    handle.segment()->KeepRowFactors(field->id, kept);
  }
  const RowCounts counts = CountRows(*state.View(), field->id);
  const std::lock_guard view_lock(state.view_mutex);
  state.reembedding_starts[field->id] = {std::chrono::steady_clock::now(), counts.done};
  return {};
}

Result<VersionId> Collection::RollbackVersion(const std::string& vector_name) {
  ALMAGEST_TRY(const CollectionField* field, FindDense(*state_, vector_name));
  VersionId previous = 0;
  {
    const std::lock_guard lock(state_->writer_mutex);
    const FieldVersions& numbers = state_->manifest.fields[field->id];
    if (numbers.previous == numbers.active) {
      return Fail(ErrorCode::kFailedPrecondition,
                  "vector '" + vector_name + "' has had no other active version");
    }
    previous = numbers.previous;
  }
  ALMAGEST_TRY_VOID(ActivateVersion(vector_name, previous, true));
  return previous;
}

Result<ReembeddingProgress> Collection::Reembedding(const std::string& vector_name) const {
  ALMAGEST_TRY(const CollectionField* field, FindDense(*state_, vector_name));
  const auto current = view();
  const RowCounts counts = CountRows(*current, field->id);
  ReembeddingProgress progress;
  progress.target = current->versions.at(field->id)->active();
  progress.rows_done = counts.done;
  progress.rows_total = counts.total;
  progress.paused = state_->reembedding_paused;
  const std::lock_guard lock(state_->view_mutex);
  const auto start = state_->reembedding_starts.find(field->id);
  if (start == state_->reembedding_starts.end() || counts.done <= start->second.rows_done) {
    return progress;
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start->second.time;
  progress.eta_seconds = spent.count() * static_cast<double>(counts.total - counts.done) /
                         static_cast<double>(counts.done - start->second.rows_done);
  return progress;
}

void Collection::PauseReembedding(bool paused) { state_->reembedding_paused = paused; }

Result<> Collection::Checkpoint() {
  const std::lock_guard optimizer_lock(state_->optimizer_mutex);
  {
    const std::lock_guard lock(state_->writer_mutex);
    ALMAGEST_TRY_VOID(EnsurePointsVerified(*state_));
  }
  ALMAGEST_TRY_VOID(WriteCheckpoint(*state_, [] { return true; }));
  return {};
}

void Collection::WaitUntilOpened() const { state_->deferred->Wait(); }

Result<bool> Collection::OptimizeOnce(const std::function<bool(double cpu_seconds)>& throttle) {
  State& state = *state_;
  const std::lock_guard optimizer_lock(state.optimizer_mutex);
  if (!state.deferred->files_checked()) return false;  // What is in doubt is not copied.
  if (CheckpointDue(state)) {
    return WriteCheckpoint(state, [&throttle] { return throttle(0); });
  }
  OptimizerSituation situation;
  situation.reembedding_paused = state.reembedding_paused;
  {
    const std::lock_guard lock(state.writer_mutex);
    situation.idle = std::chrono::steady_clock::now() - state.last_write >= kIdleTime;
  }
  const auto step = NextStep(state.Summaries(), state.Config().optimizer, situation);
  if (!step) return false;
  // Sealing frees memory in the end; everything else can wait until there is enough.
  if (step->kind != OptimizerStep::Kind::kSeal && !AdmitMemory(BuildBytes(state, *step))) {
    return false;
  }
  return Rewrite(state, step->segments, throttle);
}

}  // namespace almagest
