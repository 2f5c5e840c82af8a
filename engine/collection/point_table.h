// What a collection knows of every point: id, sequence numbers, which vectors it has. Most of it
// lies in a mapped file (points_file.h); in memory are the points that changed since that file was
// written, bitmaps of slots, and where the rows of points in growing segments are.
//
// Thread safety: none of its own; the collection guards it by a shared mutex.
// Memory: about 130 bytes per point changed since the file; 1/8 byte or less per other point.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "engine/collection/points_file.h"
#include "engine/payload/slot_set.h"
#include "engine/types.h"

namespace almagest {

// Where a point's current row is. Segment ids count from 1; 0 is "no row" (no vectors at all).
struct RowLocation {
  uint32_t segment = 0;
  uint32_t row = 0;
  bool operator==(const RowLocation&) const = default;
};

struct PointEntry {
  PointId id;
  SequenceNumber version = 0;
  SequenceNumber vector_sequence = 0;
  uint64_t fields = 0;  // Bit f: the point has a vector of field f.
};

class PointTable {
 public:
  PointTable() = default;
  PointTable(const PointTable&) = delete;
  PointTable& operator=(const PointTable&) = delete;

  // kNoSlot if absent.
  Slot Find(const PointId& id) const;
  // nullopt if the slot holds no live point.
  std::optional<PointEntry> Get(Slot slot) const;
  // The id and version alone, of a small part of the memory that Get reads. False if the slot holds
  // no live point.
  bool Identify(Slot slot, PointId* id, SequenceNumber* version) const;
  // Asks for the memory that Identify(slot) will read, so that many slots wait together.
  void Prefetch(Slot slot) const;
  // Enters a point, or replaces the entry of the same id under the same slot.
  void Put(Slot slot, const PointEntry& entry);
  // Of a slot that may hold no point: nothing happens.
  void Remove(Slot slot);
  // No point has a vector of the field any more.
  void DropField(FieldId field);

  // Needs no lock.
  uint64_t size() const { return size_.load(std::memory_order_relaxed); }
  const SlotSet& live() const { return live_; }
  // Slots with a vector of the field.
  SlotSet with_field(FieldId field) const;
  const std::map<FieldId, SlotSet>& with_fields() const { return with_field_; }
  uint64_t MemoryBytes() const;
  // Points that are kept in memory because they changed.
  size_t changed_count() const { return changed_.size(); }

  // Rows in growing segments; RowLocation() if the point has none there.
  RowLocation growing_row(Slot slot) const;
  void SetGrowingRow(Slot slot, RowLocation location) { growing_rows_[slot] = location; }
  void ForgetGrowingRow(Slot slot) { growing_rows_.erase(slot); }
  std::vector<Slot> SlotsInGrowing() const;  // Ascending.

  // As it goes into a file; kAbsent if no live point has the slot.
  StoredPoint Stored(Slot slot) const;
  // An empty table becomes what the file says. kCorruption: the table is unusable.
  Result<> Adopt(std::shared_ptr<const PointsFile> file, uint64_t known_fields);
  // `file` has every point of this table whose version is not above its sequence.
  void Rebase(std::shared_ptr<const PointsFile> file);
  // nullptr if everything is in memory.
  const std::shared_ptr<const PointsFile>& file() const { return file_; }
  // Forgets all points (not the growing rows).
  void Clear();

 private:
  const StoredPoint* FindStored(Slot slot) const;

  std::shared_ptr<const PointsFile> file_;
  boost::unordered_flat_map<Slot, StoredPoint> changed_;  // Live points only; hides the file's.
  boost::unordered_flat_map<PointId, Slot, PointIdHash> changed_ids_;
  uint64_t known_fields_ = ~uint64_t{0};
  std::atomic<uint64_t> size_{0};
  SlotSet live_;
  std::map<FieldId, SlotSet> with_field_;
  boost::unordered_flat_map<Slot, RowLocation> growing_rows_;
};

}  // namespace almagest
