#include "engine/collection/point_table.h"

#include <bit>

#include "storage/base/check.h"

namespace almagest {

PointTable::PointTable() : index_(0, Hash{&entries_}, Equal{&entries_}) {}

Slot PointTable::Find(const PointId& id) const {
  const auto found = index_.find(id);
  return found == index_.end() ? kNoSlot : *found;
}

const PointEntry* PointTable::Get(Slot slot) const {
  return live_.Contains(slot) ? &entries_[slot] : nullptr;
}

void PointTable::Put(Slot slot, const PointEntry& entry) {
  ALMAGEST_CHECK(slot != kNoSlot);
  if (slot >= entries_.size()) entries_.resize(size_t{slot} + 1);
  const bool known = live_.Contains(slot);
  ALMAGEST_CHECK(!known || entries_[slot].id == entry.id);
  const uint64_t before = known ? entries_[slot].fields : 0;
  entries_[slot] = entry;
  if (!known) {
    live_.Add(slot);
    index_.insert(slot);
  }
  for (uint64_t changed = before ^ entry.fields; changed != 0; changed &= changed - 1) {
    const auto field = static_cast<FieldId>(std::countr_zero(changed));
    if ((entry.fields >> field & 1) != 0) {
      with_field_[field].Add(slot);
    } else {
      with_field_[field].Remove(slot);
    }
  }
}

void PointTable::SetLocation(Slot slot, RowLocation location) {
  ALMAGEST_CHECK(live_.Contains(slot));
  entries_[slot].location = location;
}

void PointTable::Remove(Slot slot) {
  ALMAGEST_CHECK(live_.Contains(slot));
  index_.erase(index_.find(slot));
  live_.Remove(slot);
  for (auto& [field, slots] : with_field_) slots.Remove(slot);
  entries_[slot] = {};
}

void PointTable::DropField(FieldId field) {
  const auto found = with_field_.find(field);
  if (found == with_field_.end()) return;
  found->second.ForEach([&](Slot slot) { entries_[slot].fields &= ~(uint64_t{1} << field); });
  with_field_.erase(found);
}

SlotSet PointTable::with_field(FieldId field) const {
  const auto found = with_field_.find(field);
  return found == with_field_.end() ? SlotSet() : found->second;
}

uint64_t PointTable::MemoryBytes() const {
  uint64_t bytes = entries_.capacity() * sizeof(PointEntry) + index_.bucket_count() * 5;
  bytes += live_.MemoryBytes();
  for (const auto& [field, slots] : with_field_) bytes += slots.MemoryBytes();
  return bytes;
}

}  // namespace almagest
