#include "engine/collection/recovery.h"

#include <algorithm>

#include "engine/collection/stored_vectors.h"
#include "storage/base/log.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

uint64_t KnownFields(const CollectionState& state) {
  uint64_t fields = 0;
  for (const CollectionField& field : state.fields.All()) fields |= uint64_t{1} << field.id;
  return fields;
}

struct ScannedPoint {
  Slot slot;
  PointEntry entry;
};

// Every point of the collection, from storage.
Result<> ScanPoints(const CollectionState& state,
                    const std::function<void(const ScannedPoint&)>& visit) {
  const KeyRange range = PointRange(state.id);
  const uint64_t known = KnownFields(state);
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
          PointEntry entry{parts->id, record.sequence, record.vector_sequence, 0};
          for (const auto* fields : {&record.dense_fields, &record.sparse_fields}) {
            for (const FieldId field : *fields) {
              if (field < 64) entry.fields |= uint64_t{1} << field;
            }
          }
          entry.fields &= known;
          visit({record.slot, entry});
          return {};
        }();
        return status.has_value();
      }));
  return status;
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

// The changes logged after the checkpoint, in order and none of them missing.
Result<> Replay(CollectionState& state, std::vector<Slot>* touched) {
  const KeyRange range = ChangeRange(state.id, state.checkpoint.sequence + 1);
  SequenceNumber reached = state.checkpoint.sequence;
  Result<> status;
  ALMAGEST_TRY_VOID(state.store.Scan(
      ColumnFamily::kChanges, range.first, range.limit,
      [&](std::string_view key, std::string_view value) {
        status = [&]() -> Result<> {
          ALMAGEST_TRY(const ChangeSet changes, DecodeChanges(value));
          const auto sequence = ParseChangeKey(key);
          if (!sequence || changes.previous != reached) {
            return Fail(ErrorCode::kCorruption,
                        "the changes after operation " + std::to_string(reached) + " are missing");
          }
          reached = *sequence;
          for (const ChangedPoint& changed : changes.points) {
            if (changed.slot >= state.counters.next_slot) {
              return Fail(ErrorCode::kCorruption, "a change names a slot that was never given");
            }
            touched->push_back(changed.slot);
            const StoredPoint& point = changed.point;
            if (point.kind == StoredPoint::kAbsent) {
              state.points.Remove(changed.slot);
              continue;
            }
            state.points.Put(changed.slot,
                             {point.Id(), point.version, point.vector_sequence, point.fields});
          }
          state.logged_points += changes.points.size() + 1;
          for (const auto& [field, terms] : changes.terms) {
            state.logged_terms += terms.terms.size();
            const auto statistics = state.terms.find(field);
            if (statistics != state.terms.end()) statistics->second.Apply(terms);
          }
          return {};
        }();
        return status.has_value();
      }));
  ALMAGEST_TRY_VOID(status);
  if (reached == state.counters.last_sequence) return {};
  return Fail(ErrorCode::kCorruption,
              "the changes after operation " + std::to_string(reached) + " are missing");
}

Result<RecoveredPoints> LoadCheckpoint(CollectionState& state) {
  RecoveredPoints recovered;
  ALMAGEST_TRY(recovered.file, PointsFile::Open(state.directory / state.checkpoint.file_name,
                                                state.id, state.checkpoint));
  if (recovered.file->large_bytes() <= state.limits.checked_bytes) {
    ALMAGEST_TRY_VOID(recovered.file->Verify());
  } else {
    state.points_verified = false;
  }
  ALMAGEST_TRY_VOID(state.points.Adopt(recovered.file, KnownFields(state)));
  for (auto& [field, statistics] : state.terms) {
    ALMAGEST_TRY_VOID(statistics.Adopt(recovered.file, field));
  }
  ALMAGEST_TRY(const auto unsealed, recovered.file->unsealed());
  recovered.touched.assign(unsealed.begin(), unsealed.end());
  ALMAGEST_TRY_VOID(Replay(state, &recovered.touched));
  std::ranges::sort(recovered.touched);
  const auto repeated = std::ranges::unique(recovered.touched);
  recovered.touched.erase(repeated.begin(), repeated.end());
  return recovered;
}

}  // namespace

Result<> DropCheckpoint(CollectionState& state) {
  if (state.checkpoint.file_name.empty()) return {};
  WriteBatch batch;
  batch.Delete(ColumnFamily::kMeta, CheckpointKey(state.id));
  ALMAGEST_TRY_VOID(state.store.Write(batch, Durability::kSync));
  std::error_code error;  // A file that stays is removed by the next opening.
  std::filesystem::remove(state.directory / state.checkpoint.file_name, error);
  state.checkpoint = CheckpointRecord();
  state.logged_points += state.points.size();  // A new one comes soon if there are many.
  return {};
}

Result<RecoveredPoints> RecoverPoints(CollectionState& state) {
  ALMAGEST_TRY(const auto bytes, state.store.Get(ColumnFamily::kMeta, CheckpointKey(state.id)));
  if (bytes) {
    ALMAGEST_TRY(state.checkpoint, DecodeRecord<CheckpointRecord>(*bytes));
    auto loaded = LoadCheckpoint(state);
    if (loaded) return loaded;
    LogWarning("collection '" + state.name + "': " + state.checkpoint.file_name + " is unusable (" +
               loaded.error().message + "); all points are read from storage");
    state.points.Clear();
    for (auto& [field, statistics] : state.terms) statistics = TermStatistics();
    state.points_verified = true;
  }
  ALMAGEST_TRY_VOID(ScanPoints(
      state, [&](const ScannedPoint& point) { state.points.Put(point.slot, point.entry); }));
  ALMAGEST_TRY_VOID(CountTerms(state));
  // A checkpoint comes soon if there are many of them.
  ALMAGEST_TRY_VOID(DropCheckpoint(state));
  state.logged_points = state.points.size();
  state.logged_terms = 0;
  return RecoveredPoints();
}

Result<> EnsurePointsVerified(CollectionState& state) {
  if (state.points_verified) return {};
  const auto verified = state.points.file()->Verify();
  if (verified) {
    state.points_verified = true;
    return {};
  }
  LogWarning("collection '" + state.name + "': " + state.checkpoint.file_name + " is damaged (" +
             verified.error().message + "); all points are read from storage");
  ALMAGEST_TRY_VOID(DropCheckpoint(state));
  std::vector<ScannedPoint> points;
  ALMAGEST_TRY_VOID(ScanPoints(state, [&](const ScannedPoint& point) { points.push_back(point); }));
  {
    const std::unique_lock lock(state.points_mutex);
    state.points.Clear();
    for (const ScannedPoint& point : points) state.points.Put(point.slot, point.entry);
  }
  ALMAGEST_TRY_VOID(AppendPoints(state, UncoveredSlots(state)));
  state.PublishView();
  state.points_verified = true;
  return {};
}

void ClaimRows(const CollectionState& state, SealedSegment& segment, SlotSet* covered) {
  for (uint32_t row = 0; row < segment.row_count(); ++row) {
    const Slot slot = segment.slot_of(row);
    const auto entry = state.points.Get(slot);
    if (!entry || entry->vector_sequence != segment.vector_sequences()[row] ||
        covered->Contains(slot)) {
      segment.MarkDeleted(row);
    } else {
      covered->Add(slot);
    }
  }
}

bool TakeDeletedRows(const PointsFile& file, SealedSegment& segment) {
  const auto words = file.deleted_words(segment.id());
  if (!words || (!words->empty() && words->size() != BitmapWords(segment.row_count())))
    return false;
  for (size_t word = 0; word < words->size(); ++word) {
    for (uint64_t rest = (*words)[word]; rest != 0; rest &= rest - 1) {
      const uint64_t row = word * 64 + static_cast<uint64_t>(std::countr_zero(rest));
      if (row < segment.row_count()) segment.MarkDeleted(static_cast<uint32_t>(row));
    }
  }
  return true;
}

std::vector<Slot> SettleTouched(CollectionState& state, const std::vector<Slot>& touched) {
  std::vector<std::optional<PointEntry>> entries;
  entries.reserve(touched.size());
  for (const Slot slot : touched) entries.push_back(state.points.Get(slot));
  std::vector<bool> has_row(touched.size());
  for (const SegmentHandle& handle : state.segments) {
    if (!handle.sealed) continue;
    SealedSegment& segment = *handle.sealed;
    const SectionNumbers& slots = *segment.sorted_slots();
    size_t row = 0;
    for (size_t i = 0; i < touched.size() && row < slots.size(); ++i) {
      row = slots.LowerBound(row, slots.size(), touched[i]);
      if (row == slots.size() || slots[row] != touched[i]) continue;
      if (!has_row[i] && entries[i] &&
          entries[i]->vector_sequence == segment.vector_sequences()[row]) {
        has_row[i] = true;
      } else {
        segment.MarkDeleted(static_cast<uint32_t>(row));
      }
    }
  }
  std::vector<Slot> without_row;
  for (size_t i = 0; i < touched.size(); ++i) {
    if (!has_row[i] && entries[i] && entries[i]->fields != 0) without_row.push_back(touched[i]);
  }
  return without_row;
}

std::vector<Slot> UncoveredSlots(const CollectionState& state) {
  SlotSet missing;
  for (const auto& [field, slots] : state.points.with_fields()) missing |= slots;
  for (const SegmentHandle& handle : state.segments) {
    if (!handle.sealed) continue;
    for (uint32_t row = 0; row < handle.sealed->row_count(); ++row) {
      if (handle.sealed->IsDeleted(row)) continue;
      missing.Remove(handle.sealed->slot_of(row));
    }
  }
  for (const Slot slot : state.points.SlotsInGrowing()) missing.Remove(slot);
  return missing.ToVector();
}

Result<> ReplaceDamagedSegment(CollectionState& state, uint64_t segment,
                               const std::string& reason) {
  const std::lock_guard optimizer_lock(state.optimizer_mutex);
  const std::lock_guard lock(state.writer_mutex);
  const auto place = std::ranges::find_if(
      state.segments, [&](const SegmentHandle& handle) { return handle.id() == segment; });
  if (place == state.segments.end()) return {};  // Rewritten meanwhile, from storage.
  const std::string file_name = SegmentFileName(segment);
  LogWarning("collection '" + state.name + "': segment file " + file_name + " is unusable (" +
             reason + "); its rows are rebuilt from storage");
  ALMAGEST_TRY_VOID(DropCheckpoint(state));
  ManifestRecord manifest = state.manifest;
  std::erase_if(manifest.segments,
                [&](const SegmentRecord& record) { return record.id == segment; });
  ALMAGEST_TRY_VOID(state.CommitManifest(std::move(manifest)));
  state.segments.erase(place);
  ALMAGEST_TRY_VOID(AppendPoints(state, UncoveredSlots(state)));
  state.PublishView();
  std::error_code error;
  std::filesystem::remove(state.directory / file_name, error);
  return {};
}

}  // namespace almagest
