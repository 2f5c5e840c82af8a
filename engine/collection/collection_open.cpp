// Opening a collection: everything in memory is made again from storage and the segment files.
// Nothing here depends on how the last process ended.
#include <algorithm>

#include "engine/collection/collection_state.h"
#include "engine/collection/deferred_opening.h"
#include "engine/collection/recovery.h"
#include "engine/collection/stored_vectors.h"
#include "engine/collection/version_store.h"
#include "storage/base/log.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

template <class Record>
Result<> LoadRecord(const KeyValueStore& store, const std::string& key, Record* record) {
  ALMAGEST_TRY(const auto bytes, store.Get(ColumnFamily::kMeta, key));
  if (!bytes) return {};
  ALMAGEST_TRY(*record, DecodeRecord<Record>(*bytes));
  return {};
}

Result<> LoadAdapters(CollectionState& state) {
  std::map<FieldId, uint32_t> dimensions;
  for (const CollectionField& field : state.fields.All()) {
    if (field.is_dense()) dimensions[field.id] = field.dimension;
  }
  ALMAGEST_TRY(auto loaded, LoadVersions(state.store, state.id, dimensions));
  for (const auto& [field, dimension] : dimensions) {
    std::vector<AdapterVersion>& versions = loaded[field];
    const VersionId active = state.manifest.fields[field].active;
    const auto found = std::ranges::find(versions, active, &AdapterVersion::id);
    if (active != 0 && found == versions.end()) {
      return Fail(ErrorCode::kCorruption, "vector '" + state.fields[field].name +
                                              "' has no stored version " + std::to_string(active) +
                                              ", which is the active one");
    }
    if (active != 0) {
      ALMAGEST_TRY(AdapterMaps maps, ReadAdapter(state.store, state.id, field, active, dimension));
      found->maps = std::make_shared<const AdapterMaps>(std::move(maps));
    }
    state.versions[field] = std::make_shared<const VersionSet>(
        dimension, state.fields[field].normalised(), std::move(versions), active,
        AdapterReader(state.store, state.id, field, dimension));
  }
  return {};
}

// Files that no manifest names: left by a crash between building and committing, or dropped.
void RemoveUnknownFiles(const CollectionState& state) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(state.directory, error)) {
    const std::string file_name = entry.path().filename().string();
    const bool is_points = file_name.starts_with("points-");
    if (!is_points && !file_name.starts_with("segment-")) continue;
    if (is_points ? file_name == state.checkpoint.file_name
                  : std::ranges::find(state.manifest.segments, file_name,
                                      &SegmentRecord::file_name) != state.manifest.segments.end()) {
      continue;
    }
    std::filesystem::remove(entry.path(), error);
    LogInfo("collection '" + state.name + "': removed " + file_name + ", which nothing refers to");
  }
}

// False if a file was lost.
Result<bool> OpenSegments(CollectionState& state, const RecoveredPoints& points,
                          std::vector<uint64_t>* unverified) {
  std::vector<SealedSegment::FieldSpec> specs;
  for (const CollectionField& field : state.fields.All()) {
    specs.push_back({field.id, field.is_sparse, field.dimension, field.is_multi});
  }
  ManifestRecord manifest = state.manifest;
  SlotSet covered;
  uint64_t verified_bytes = 0;
  std::erase_if(manifest.segments, [&](const SegmentRecord& record) {
    const auto path = state.directory / record.file_name;
    std::error_code error;
    const uint64_t bytes = std::filesystem::file_size(path, error);
    const bool verify = error || verified_bytes + bytes <= state.limits.checked_bytes;
    auto segment =
        SealedSegment::Open(path, record.id, specs,
                            verify ? SectionFile::Verify::kAll : SectionFile::Verify::kStructure);
    if (segment && ((*segment)->versions() != record.versions ||
                    (*segment)->row_count() != record.row_count)) {
      segment = Fail(ErrorCode::kCorruption, "it is not the file that the manifest names");
    }
    if (!segment) {
      LogWarning("collection '" + state.name + "': segment file " + record.file_name +
                 " is unusable (" + segment.error().message + "); its " +
                 std::to_string(record.row_count) + " rows are rebuilt from storage");
      return true;
    }
    if (verify) {
      verified_bytes += bytes;
    } else {
      unverified->push_back(record.id);
    }
    if (points.file == nullptr || !TakeDeletedRows(*points.file, **segment)) {
      ClaimRows(state, **segment, &covered);
    }
    state.segments.push_back({nullptr, std::move(*segment)});
    return false;
  });
  const bool complete = manifest.segments.size() == state.manifest.segments.size();
  if (!complete) {
    ALMAGEST_TRY_VOID(DropCheckpoint(state));
    ALMAGEST_TRY_VOID(state.CommitManifest(std::move(manifest)));
  }
  RemoveUnknownFiles(state);
  return complete;
}

}  // namespace

Result<> AppendPoints(CollectionState& state, const std::vector<Slot>& tail) {
  const size_t batch = StoredVectorsBatch(state.fields);
  for (size_t first = 0; first < tail.size(); first += batch) {
    const auto slots = std::span(tail).subspan(first, std::min(batch, tail.size() - first));
    ALMAGEST_TRY(const auto vectors, ReadAllVectors(state.store, state.id, state.fields, slots));
    std::vector<BaseRow> rows;
    for (size_t i = 0; i < slots.size(); ++i) {
      if (vectors[i].empty()) {
        return Fail(ErrorCode::kCorruption, "the vectors of point " +
                                                PointIdToString(state.points.Get(slots[i])->id) +
                                                " are missing from storage");
      }
      rows.push_back({slots[i], &vectors[i]});
    }
    const std::vector<RowLocation> locations = AppendRows(state, rows);
    const std::unique_lock lock(state.points_mutex);
    for (size_t i = 0; i < slots.size(); ++i) state.points.SetGrowingRow(slots[i], locations[i]);
  }
  return {};
}

Result<> Recover(CollectionState& state) {
  std::error_code error;
  std::filesystem::create_directories(state.directory, error);
  if (error) {
    return Fail(ErrorCode::kInternal,
                "cannot create " + state.directory.string() + ": " + error.message());
  }
  ALMAGEST_TRY_VOID(LoadRecord(state.store, ManifestKey(state.id), &state.manifest));
  ALMAGEST_TRY_VOID(LoadRecord(state.store, SequenceKey(state.id), &state.counters));
  state.last_operation = state.counters.last_sequence;
  state.manifest.next_field_id =
      std::max(state.manifest.next_field_id, static_cast<FieldId>(state.fields.size()));
  ALMAGEST_TRY_VOID(LoadAdapters(state));
  ALMAGEST_TRY_VOID(RecoverBridges(state));
  ALMAGEST_TRY(const RecoveredPoints points, RecoverPoints(state));
  DeferredWork later;
  ALMAGEST_TRY(const bool complete, OpenSegments(state, points, &later.segments));
  std::vector<Slot> without_row;
  if (points.file != nullptr) without_row = SettleTouched(state, points.touched);
  if (points.file == nullptr || !complete) without_row = UncoveredSlots(state);
  ALMAGEST_TRY_VOID(AppendPoints(state, without_row));
  state.PublishView();
  later.points = !state.points_verified;
  const bool is_small =
      !later.points && later.segments.empty() && state.points.size() <= state.limits.indexed_points;
  state.deferred = std::make_unique<DeferredOpening>(state, std::move(later));
  // Little is done at once: then a collection is complete when it is open.
  if (is_small) return state.deferred->Finish();
  // Where texts are indexed the indexes cannot come later: a text would be a substring until then.
  const bool has_texts = std::ranges::any_of(state.config.payload_indexes, [](const auto& index) {
    return index.second.type == PayloadIndexType::kText;
  });
  if (has_texts) ALMAGEST_TRY_VOID(state.deferred->BuildIndexes());
  state.deferred->Start();
  return {};
}

}  // namespace almagest
