// Collection's writes: stage, one batch, then memory.
#include <algorithm>

#include "engine/collection/collection_state.h"
#include "engine/collection/write_stage.h"
#include "storage/base/check.h"
#include "storage/base/memory_limit.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

PointEntry EntryOf(const StagedPoint& point) {
  PointEntry entry;
  entry.id = point.id;
  entry.version = point.sequence;
  entry.vector_sequence = point.vector_sequence;
  entry.fields = point.fields;
  return entry;
}

ChangeSet ChangesOf(const CollectionState& state, const WriteStage& stage) {
  ChangeSet changes;
  changes.previous = state.counters.last_sequence;
  for (const auto& point : stage.points()) {
    if (!point->Differs()) continue;
    ChangedPoint& changed = changes.points.emplace_back();
    changed.slot = point->slot;
    if (point->exists) {
      changed.point.SetId(point->id);
      changed.point.version = point->sequence;
      changed.point.vector_sequence = point->vector_sequence;
      changed.point.fields = point->fields;
    }
    if (!point->vectors_changed) continue;
    for (const auto& [field, statistics] : state.terms) {
      if (const auto old = point->old_terms.find(field); old != point->old_terms.end()) {
        changes.terms[field].Count(old->second, -1);
      }
      const auto now = point->vectors.find(field);
      if (point->exists && now != point->vectors.end()) {
        changes.terms[field].Count(std::get<SparseVector>(now->second).indices, 1);
      }
    }
  }
  for (auto& [field, terms] : changes.terms) terms.Pack();
  return changes;
}

// What has been written becomes visible: new rows first, then the points, and only then do the
// old rows die, so that a search meets every point at least once.
void ApplyToMemory(CollectionState& state, const WriteStage& stage, const ChangeSet& changes) {
  std::vector<BaseRow> rows;
  for (const auto& point : stage.points()) {
    if (!point->exists || !point->vectors_changed || point->vectors.empty()) continue;
    rows.push_back({point->slot, &point->vectors});
  }
  const size_t segments_before = state.segments.size();
  const std::vector<RowLocation> locations = AppendRows(state, rows);
  if (state.segments.size() != segments_before) state.PublishView();
  {
    const std::unique_lock lock(state.points_mutex);
    for (const auto& [field, terms] : changes.terms) state.terms.at(field).Apply(terms);
    size_t next_row = 0;
    for (const auto& point : stage.points()) {
      if (!point->exists) {
        if (point->stored) state.points.Remove(point->slot);
        continue;
      }
      state.points.Put(point->slot, EntryOf(*point));
      if (!point->vectors_changed) continue;
      if (point->vectors.empty()) {
        state.points.ForgetGrowingRow(point->slot);
      } else {
        state.points.SetGrowingRow(point->slot, locations[next_row++]);
      }
    }
  }
  for (const auto& point : stage.points()) {
    if (point->payload_changed) {
      state.indexes.Update(point->slot, point->old_payload, point->payload);
    }
    if (!point->stored || !point->vectors_changed || point->row.segment == 0) continue;
    const SegmentHandle* segment = state.FindSegment(point->row.segment);
    ALMAGEST_CHECK(segment != nullptr);
    segment->MarkDeleted(point->row.row);
  }
}

// What the operations will hold in memory: rows of the growing segment, and as much again while it
// is sealed. Deletions are always let in.
uint64_t MemoryNeeded(std::span<const WriteOperation> operations) {
  constexpr uint64_t kPerPoint = 300;
  uint64_t bytes = 0;
  const auto count = [&bytes](const std::vector<PointInput>& points) {
    for (const PointInput& point : points) {
      bytes += kPerPoint + (point.payload ? point.payload->size() : 0);
      for (const auto& [name, vector] : point.vectors) {
        if (const auto* dense = std::get_if<DenseVector>(&vector)) {
          bytes += 2 * dense->size() * sizeof(float);
        } else if (const auto* multi = std::get_if<MultiVector>(&vector)) {
          bytes += 2 * multi->values.size() * sizeof(float);
        } else {
          bytes += 4 * std::get<SparseVector>(vector).indices.size() * 8;
        }
      }
    }
  };
  for (const WriteOperation& operation : operations) {
    if (const auto* upsert = std::get_if<UpsertOperation>(&operation)) count(upsert->points);
    if (const auto* update = std::get_if<UpdateVectorsOperation>(&operation)) count(update->points);
    if (const auto* payload = std::get_if<SetPayloadOperation>(&operation)) {
      bytes += kPerPoint + payload->payload.size();
    }
    if (const auto* payload = std::get_if<OverwritePayloadOperation>(&operation)) {
      bytes += kPerPoint + payload->payload.size();
    }
  }
  return bytes;
}

}  // namespace

Result<std::vector<WriteResult>> Collection::Write(std::span<const WriteOperation> operations,
                                                   std::optional<Durability> durability) {
  State& state = *state_;
  std::vector<WriteResult> results;
  if (operations.empty()) return results;
  if (const uint64_t bytes = MemoryNeeded(operations); bytes > 0) {
    ALMAGEST_TRY_VOID(AdmitMemory(bytes));
  }
  const std::lock_guard lock(state.writer_mutex);
  ALMAGEST_TRY_VOID(EnsurePointsVerified(state));
  WriteStage stage(state);
  SequenceRecord counters = state.counters;
  for (const WriteOperation& operation : operations) {
    ALMAGEST_TRY_VOID(stage.Apply(operation, ++counters.last_sequence));
    results.push_back({counters.last_sequence});
  }
  ALMAGEST_TRY_VOID(stage.Finish());
  counters.next_slot = stage.next_slot();
  WriteBatch batch;
  stage.AddTo(&batch);
  const ChangeSet changes = ChangesOf(state, stage);
  state.AddCounters(counters, changes, &batch);
  Durability wanted = Durability::kSync;
  {
    const std::shared_lock config_lock(state.config_mutex);
    wanted = durability.value_or(state.config.durability);
  }
  ALMAGEST_TRY_VOID(state.store.Write(batch, wanted));
  // From here on nothing can fail: the request is acknowledged by the store.
  state.TakeCounters(counters, changes);
  state.last_write = std::chrono::steady_clock::now();
  ApplyToMemory(state, stage, changes);
  return results;
}

Result<> Collection::UpdateConfig(const std::function<Result<>(CollectionConfig&)>& change) {
  State& state = *state_;
  const std::lock_guard lock(state.writer_mutex);
  const CollectionConfig before = state.Config();
  CollectionConfig after = before;
  ALMAGEST_TRY_VOID(change(after));
  ALMAGEST_TRY_VOID(ValidateConfig(after));
  bool same = before.dense.size() == after.dense.size() &&
              before.sparse.size() == after.sparse.size() &&
              before.payload_indexes == after.payload_indexes;
  for (const auto& [name, dense] : before.dense) {
    const auto found = after.dense.find(name);
    same = same && found != after.dense.end() && found->second.dimension == dense.dimension &&
           found->second.distance == dense.distance && found->second.datatype == dense.datatype &&
           found->second.multi == dense.multi;
  }
  for (const auto& [name, sparse] : before.sparse) same = same && after.sparse.contains(name);
  if (!same) {
    return Fail(ErrorCode::kInvalidArgument,
                "names, dimensions, distances and datatypes of vectors cannot change, and payload "
                "indexes "
                "have calls of their own");
  }
  const std::unique_lock config_lock(state.config_mutex);
  state.config = std::move(after);
  return {};
}

}  // namespace almagest
