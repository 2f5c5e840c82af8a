// What a collection holds in memory, shared by the files that implement Collection.
//
// Locks, in the order in which they may be taken:
//   optimizer_mutex   one optimizer step at a time
//   versions_mutex    one change of adapter versions, or of sealed segments, at a time
//   writer_mutex      one write, or one change of the segment list, at a time
//   points_mutex      the point table and term statistics; held shared by readers, alone by the
//                     writer while it applies. Nothing reads storage while holding it alone.
//   config_mutex, view_mutex   for copies only
// What only changes under writer_mutex may be read under it without the others.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "engine/collection/bridge.h"
#include "engine/collection/change_log.h"
#include "engine/collection/collection.h"
#include "engine/collection/deferred_opening.h"
#include "engine/collection/field_table.h"
#include "engine/collection/growing_segment.h"
#include "engine/collection/optimizer_policy.h"
#include "engine/collection/point_table.h"
#include "engine/collection/sealed_segment.h"
#include "engine/collection/term_statistics.h"
#include "engine/payload/payload_index.h"
#include "storage/records.h"

namespace almagest {

// By id. Ids are those of the config, or, where it has none: dense fields in name order, then
// sparse ones.
std::vector<CollectionField> FieldsOf(const CollectionConfig& config);

// A segment as its owner sees it: exactly one of the two.
struct SegmentHandle {
  std::shared_ptr<GrowingSegment> growing;
  std::shared_ptr<SealedSegment> sealed;
  std::shared_ptr<const Segment> segment() const {
    if (growing) return growing;
    return sealed;
  }
  uint64_t id() const { return segment()->id(); }
  bool MarkDeleted(uint32_t row) const {
    return growing ? growing->MarkDeleted(row) : sealed->MarkDeleted(row);
  }
};

struct CollectionState {
  CollectionState(uint32_t collection_id, std::string collection_name, CollectionConfig initial,
                  KeyValueStore& key_value_store, std::filesystem::path segment_directory);

  const uint32_t id;
  const std::string name;
  KeyValueStore& store;
  const std::filesystem::path directory;
  OpeningLimits limits;  // Set before Recover.
  FieldTable fields;     // Changes under writer_mutex.

  mutable std::mutex optimizer_mutex;
  mutable std::mutex versions_mutex;

  mutable std::mutex writer_mutex;
  ManifestRecord manifest;              // As stored, but for next_segment_id, which may be ahead.
  SequenceRecord counters;              // As stored.
  std::vector<SegmentHandle> segments;  // By age; `growing` is the last if there is one.
  std::shared_ptr<GrowingSegment> growing;  // Takes new rows; nullptr until the next write.
  uint64_t newest_growing = 0;              // The id of the last one, frozen or not.
  std::map<FieldId, std::shared_ptr<const VersionSet>> versions;
  BridgeTable bridges;
  std::chrono::steady_clock::time_point last_write;

  mutable std::shared_mutex points_mutex;
  PointTable points;
  std::map<FieldId, TermStatistics> terms;  // Every sparse field.
  PayloadIndexes indexes;                   // Locks itself.

  mutable std::shared_mutex config_mutex;
  CollectionConfig config;

  mutable std::mutex view_mutex;
  std::shared_ptr<const CollectionView> view;

  // The checkpoint of the point table (checkpoint.h) and how much was logged since. Under
  // writer_mutex.
  CheckpointRecord checkpoint;
  uint64_t logged_points = 0;
  uint64_t logged_terms = 0;

  // For those who look on without a lock.
  std::atomic<SequenceNumber> last_operation{0};
  std::atomic<uint64_t> growing_id{0};         // Of `growing`; 0 if there is none.
  std::atomic<uint64_t> published_growing{0};  // newest_growing of `view`.
  std::atomic<bool> reembedding_paused{false};
  std::atomic<bool> points_verified{true};  // False: the mapped point table was not read yet.
  // For the ETA of re-embedding: when it began and how much was done then.
  struct ReembeddingStart {
    std::chrono::steady_clock::time_point time;
    uint64_t rows_done = 0;
  };
  std::map<FieldId, ReembeddingStart> reembedding_starts;  // Under view_mutex.

  // Last: its thread stops before anything else goes.
  std::unique_ptr<DeferredOpening> deferred;

  CollectionConfig Config() const;
  std::shared_ptr<const CollectionView> View() const;
  // nullptr if there is no such name.
  const CollectionField* FindField(const std::string& name) const;
  FilterContext MakeFilterContext(const SlotSet* live, const Deadline& deadline) const;
  // Of the current view.
  std::vector<SegmentSummary> Summaries() const;

  // All that follow: under writer_mutex.
  void PublishView();
  // A growing segment with room for a row, made when there is none.
  GrowingSegment& GrowingWithRoom();
  // Makes `next` the stored counters in `batch`, with the record of what changed (change_log.h).
  // Every batch that advances last_sequence goes through here, and TakeCounters once it is written.
  void AddCounters(const SequenceRecord& next, const ChangeSet& changes, WriteBatch* batch) const;
  void TakeCounters(const SequenceRecord& next, const ChangeSet& changes);
  // One atomic, synced write of `next` and whatever else is in `batch`; then `next` is current.
  Result<> CommitManifest(ManifestRecord next, WriteBatch batch = {});
  // Where the point's current row is; RowLocation() if it has none.
  RowLocation Locate(Slot slot) const;
  // nullptr if it is gone.
  const SegmentHandle* FindSegment(uint32_t segment_id) const;
  // From now on `growing` takes no more rows; the next write starts another one.
  void FreezeGrowing();
};

// Appends rows to growing segments of `state` and returns where each went. Served vectors are
// made here, by the active document maps in batches. Under writer_mutex.
struct BaseRow {
  Slot slot = kNoSlot;
  const std::map<FieldId, VectorData>* vectors = nullptr;  // Base vectors; at least one.
};
std::vector<RowLocation> AppendRows(CollectionState& state, std::span<const BaseRow> rows);

// collection_open.cpp: everything from storage and the segment files. Called once, before use.
Result<> Recover(CollectionState& state);
// collection_indexes.cpp: enters every stored payload into an index under construction; writes may
// go on between the batches. Stops early when `stop` (which may be null) becomes true.
Result<> EnterPayloads(CollectionState& state, PayloadIndexes::BuildId build,
                       const std::atomic<bool>* stop);
// recovery.cpp: a point table that was mapped without reading it is checked, and read from storage
// if it is damaged. Before the first write, which must not rely on damaged ids. Under writer_mutex.
Result<> EnsurePointsVerified(CollectionState& state);

// collection_bridges.cpp: from storage, when the fields are known.
Result<> RecoverBridges(CollectionState& state);
// The bridges without those of a field that goes; their removal is added to `batch`. Under
// writer_mutex.
void DropBridges(CollectionState& state, FieldId field, WriteBatch* batch, BridgeTable* next);

// rewrite.cpp: replaces segments by one new sealed segment (or by nothing when no row of them is
// live). False if the throttle stopped it, or a source is gone. Under optimizer_mutex only.
Result<bool> Rewrite(CollectionState& state, const std::vector<uint64_t>& sources,
                     const std::function<bool(double cpu_seconds)>& throttle);

struct Collection::State : CollectionState {
  using CollectionState::CollectionState;
};

}  // namespace almagest
