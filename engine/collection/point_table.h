// What a collection keeps in memory of every point: id, slot, sequence numbers, which vectors it
// has and where its current row is. Rebuilt from kPoints when the collection is opened.
//
// Thread safety: none of its own; the collection guards it by a shared mutex.
// Memory: 64 bytes per slot ever given, and 5 to 10 more per live point for the id index.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <cstdint>
#include <map>
#include <vector>

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
  RowLocation location;
};

class PointTable {
 public:
  PointTable();
  PointTable(const PointTable&) = delete;
  PointTable& operator=(const PointTable&) = delete;

  // kNoSlot if absent.
  Slot Find(const PointId& id) const;
  // nullptr if the slot holds no live point.
  const PointEntry* Get(Slot slot) const;
  // Enters a point, or replaces the entry of the same id under the same slot.
  void Put(Slot slot, const PointEntry& entry);
  void SetLocation(Slot slot, RowLocation location);
  void Remove(Slot slot);
  // No point has a vector of the field any more.
  void DropField(FieldId field);

  uint64_t size() const { return index_.size(); }
  const SlotSet& live() const { return live_; }
  // Slots with a vector of the field.
  SlotSet with_field(FieldId field) const;
  uint64_t MemoryBytes() const;

 private:
  // The id index stores slots only; ids are looked up in the entries.
  struct Hash {
    using is_transparent = void;
    const std::vector<PointEntry>* entries;
    size_t operator()(Slot slot) const { return PointIdHash()((*entries)[slot].id); }
    size_t operator()(const PointId& id) const { return PointIdHash()(id); }
  };
  struct Equal {
    using is_transparent = void;
    const std::vector<PointEntry>* entries;
    bool operator()(Slot a, Slot b) const { return a == b; }
    bool operator()(const PointId& id, Slot slot) const { return (*entries)[slot].id == id; }
    bool operator()(Slot slot, const PointId& id) const { return (*entries)[slot].id == id; }
  };

  std::vector<PointEntry> entries_;
  boost::unordered_flat_set<Slot, Hash, Equal> index_;
  SlotSet live_;
  std::map<FieldId, SlotSet> with_field_;
};

}  // namespace almagest
