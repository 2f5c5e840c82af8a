// Opening a collection: everything in memory is made again from storage and the segment files.
// Nothing here depends on how the last process ended.
#include <algorithm>

#include "engine/collection/collection_state.h"
#include "engine/collection/row_factors.h"
#include "engine/collection/stored_vectors.h"
#include "engine/collection/version_store.h"
#include "engine/payload/payload_path.h"
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
    if (active != 0 && std::ranges::find(versions, active, &AdapterVersion::id) == versions.end()) {
      return Fail(ErrorCode::kCorruption, "vector '" + state.fields[field].name +
                                              "' has no stored version " + std::to_string(active) +
                                              ", which is the active one");
    }
    state.versions[field] = std::make_shared<const VersionSet>(
        dimension, state.fields[field].normalised(), std::move(versions), active);
  }
  return {};
}

Result<> LoadPoints(CollectionState& state) {
  const KeyRange range = PointRange(state.id);
  Result<> status;
  ALMAGEST_TRY_VOID(state.store.Scan(
      ColumnFamily::kPoints, range.first, range.limit,
      [&](std::string_view key, std::string_view value) {
        status = [&]() -> Result<> {
          const auto parts = ParsePointKey(key);
          if (!parts) return Fail(ErrorCode::kCorruption, "a point has a damaged key");
          ALMAGEST_TRY(const auto record, DecodeRecord<PointRecord>(value));
          if (record.slot >= state.counters.next_slot) {
            return Fail(ErrorCode::kCorruption, "point " + PointIdToString(parts->id) +
                                                    " has slot " + std::to_string(record.slot) +
                                                    ", which was never given");
          }
          PointEntry entry;
          entry.id = parts->id;
          entry.version = record.sequence;
          entry.vector_sequence = record.vector_sequence;
          for (const auto* fields : {&record.dense_fields, &record.sparse_fields}) {
            for (const FieldId field : *fields) {
              if (state.fields.Has(field)) entry.fields |= uint64_t{1} << field;
            }
          }
          state.points.Put(record.slot, entry);
          return {};
        }();
        return status.has_value();
      }));
  return status;
}

// Files that no manifest names: left by a crash between building and committing, or dropped.
void RemoveUnknownFiles(const CollectionState& state) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(state.directory, error)) {
    const std::string file_name = entry.path().filename().string();
    if (file_name.rfind("segment-", 0) != 0) continue;
    if (std::ranges::find(state.manifest.segments, file_name, &SegmentRecord::file_name) !=
        state.manifest.segments.end()) {
      continue;
    }
    std::filesystem::remove(entry.path(), error);
    LogInfo("collection '" + state.name + "': removed " + file_name +
            ", which belongs to no segment");
  }
}

// A row counts if its point still has the vectors that the row was made from, and no row before it
// was the point's.
void ClaimRows(CollectionState& state, SealedSegment& segment) {
  for (uint32_t row = 0; row < segment.row_count(); ++row) {
    const Slot slot = segment.slot_of(row);
    const PointEntry* entry = state.points.Get(slot);
    if (entry == nullptr || entry->vector_sequence != segment.vector_sequences()[row] ||
        entry->location != RowLocation()) {
      segment.MarkDeleted(row);
      continue;
    }
    state.points.SetLocation(slot, {static_cast<uint32_t>(segment.id()), row});
  }
}

Result<> OpenSegments(CollectionState& state) {
  std::vector<SealedSegment::FieldSpec> specs;
  for (const CollectionField& field : state.fields.All()) {
    specs.push_back({field.id, field.is_sparse, field.dimension, field.is_multi});
  }
  ManifestRecord manifest = state.manifest;
  std::erase_if(manifest.segments, [&](const SegmentRecord& record) {
    auto segment = SealedSegment::Open(state.directory / record.file_name, record.id, specs);
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
    ClaimRows(state, **segment);
    state.segments.push_back({nullptr, std::move(*segment)});
    return false;
  });
  if (manifest.segments.size() != state.manifest.segments.size()) {
    ALMAGEST_TRY_VOID(state.CommitManifest(std::move(manifest)));
  }
  RemoveUnknownFiles(state);
  return {};
}

// Points whose vectors no sealed row covers: written since the last seal, or lost with a file.
Result<> AppendTail(CollectionState& state) {
  std::vector<Slot> tail;
  state.points.live().ForEach([&](Slot slot) {
    const PointEntry& entry = *state.points.Get(slot);
    if (entry.fields != 0 && entry.location == RowLocation()) tail.push_back(slot);
  });
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
    for (size_t i = 0; i < slots.size(); ++i) state.points.SetLocation(slots[i], locations[i]);
  }
  return {};
}

Result<> CountTerms(CollectionState& state) {
  for (auto& [field, statistics] : state.terms) {
    const KeyRange range = VectorRange(state.id, field);
    Result<> status;
    ALMAGEST_TRY_VOID(state.store.Scan(ColumnFamily::kSparse, range.first, range.limit,
                                       [&](std::string_view, std::string_view value) {
                                         const auto record = DecodeSparseVector(value);
                                         if (record) {
                                           statistics.Add(record->indices);
                                         } else {
                                           status = Fail(record.error());
                                         }
                                         return status.has_value();
                                       }));
    ALMAGEST_TRY_VOID(status);
  }
  return {};
}

Result<> BuildPayloadIndexes(CollectionState& state) {
  std::vector<std::unique_ptr<PayloadIndex>> indexes;
  for (const auto& [key, config] : state.config.payload_indexes) {
    ALMAGEST_TRY(PayloadPath path, PayloadPath::Parse(key));
    indexes.push_back(PayloadIndex::Make(std::move(path), config));
  }
  if (indexes.empty()) return {};
  const KeyRange range = CollectionRange(state.id);
  Result<> readable;
  ALMAGEST_TRY_VOID(state.store.Scan(ColumnFamily::kPayload, range.first, range.limit,
                                     [&](std::string_view key, std::string_view bytes) {
                                       const auto parts = ParsePayloadKey(key);
                                       if (!parts) return true;
                                       const auto payload = DecodePayload(bytes);
                                       if (!payload) {
                                         readable = Fail(payload.error());
                                         return false;
                                       }
                                       for (const auto& index : indexes) {
                                         index->Update(parts->slot, "", *payload);
                                       }
                                       return true;
                                     }));
  ALMAGEST_TRY_VOID(readable);
  for (auto& index : indexes) state.indexes.Install(std::move(index));
  return {};
}

}  // namespace

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
  ALMAGEST_TRY_VOID(LoadPoints(state));
  ALMAGEST_TRY_VOID(OpenSegments(state));
  ALMAGEST_TRY_VOID(AppendTail(state));
  ALMAGEST_TRY_VOID(CountTerms(state));
  ALMAGEST_TRY_VOID(BuildPayloadIndexes(state));
  for (const SegmentHandle& handle : state.segments) {
    for (const auto& [field, set] : state.versions) {
      ALMAGEST_TRY_VOID(PrepareRowFactors(*set, *handle.segment(), field, set->active()));
    }
  }
  state.PublishView();
  return {};
}

}  // namespace almagest
