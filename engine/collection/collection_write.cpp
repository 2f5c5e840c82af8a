// Collection's writes: stage, one batch, then memory.
#include <algorithm>

#include "engine/collection/collection_state.h"
#include "engine/collection/write_stage.h"
#include "storage/base/check.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

PointEntry EntryOf(const StagedPoint& point, RowLocation location) {
  PointEntry entry;
  entry.id = point.id;
  entry.version = point.sequence;
  entry.vector_sequence = point.vector_sequence;
  entry.fields = point.fields;
  entry.location = location;
  return entry;
}

void UpdateTerms(CollectionState& state, const StagedPoint& point) {
  if (!point.vectors_changed) return;
  for (auto& [field, statistics] : state.terms) {
    if (const auto old = point.old_terms.find(field); old != point.old_terms.end()) {
      statistics.Remove(old->second);
    }
    const auto now = point.vectors.find(field);
    if (point.exists && now != point.vectors.end()) {
      statistics.Add(std::get<SparseVector>(now->second).indices);
    }
  }
}

// What has been written becomes visible: new rows first, then the points, and only then do the
// old rows die, so that a search meets every point at least once.
void ApplyToMemory(CollectionState& state, const WriteStage& stage) {
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
    size_t next_row = 0;
    for (const auto& point : stage.points()) {
      UpdateTerms(state, *point);
      if (!point->exists) {
        if (point->stored) state.points.Remove(point->slot);
        continue;
      }
      RowLocation location = point->before.location;
      if (point->vectors_changed) {
        location = point->vectors.empty() ? RowLocation() : locations[next_row++];
      }
      state.points.Put(point->slot, EntryOf(*point, location));
    }
  }
  for (const auto& point : stage.points()) {
    if (point->payload_changed) {
      state.indexes.Update(point->slot, point->old_payload, point->payload);
    }
    if (!point->stored || !point->vectors_changed || point->before.location.segment == 0) continue;
    const SegmentHandle* segment = state.FindSegment(point->before.location.segment);
    ALMAGEST_CHECK(segment != nullptr);
    segment->MarkDeleted(point->before.location.row);
  }
}

}  // namespace

Result<std::vector<WriteResult>> Collection::Write(std::span<const WriteOperation> operations,
                                                   std::optional<Durability> durability) {
  State& state = *state_;
  std::vector<WriteResult> results;
  if (operations.empty()) return results;
  const std::lock_guard lock(state.writer_mutex);
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
  batch.Put(ColumnFamily::kMeta, SequenceKey(state.id), EncodeRecord(counters));
  Durability wanted = Durability::kSync;
  {
    const std::shared_lock config_lock(state.config_mutex);
    wanted = durability.value_or(state.config.durability);
  }
  ALMAGEST_TRY_VOID(state.store.Write(batch, wanted));
  // From here on nothing can fail: the request is acknowledged by the store.
  state.counters = counters;
  state.last_operation = counters.last_sequence;
  state.last_write = std::chrono::steady_clock::now();
  ApplyToMemory(state, stage);
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
