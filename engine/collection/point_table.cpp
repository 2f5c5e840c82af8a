#include "engine/collection/point_table.h"

#include <algorithm>
#include <bit>

#include "storage/base/check.h"

namespace almagest {

const StoredPoint* PointTable::FindStored(Slot slot) const {
  const auto changed = changed_.find(slot);
  if (changed != changed_.end()) return &changed->second;
  if (file_ == nullptr || slot >= file_->entries().size() || !live_.Contains(slot)) return nullptr;
  return &file_->entries()[slot];
}

Slot PointTable::Find(const PointId& id) const {
  const auto changed = changed_ids_.find(id);
  if (changed != changed_ids_.end()) return changed->second;
  Slot found = kNoSlot;
  if (file_ == nullptr) return found;
  file_->Probe(id, [&](Slot slot) {
    // An id that was deleted and given again has another slot: the old one is not live.
    const StoredPoint& stored = file_->entries()[slot];
    if (stored.kind == StoredPoint::kAbsent || stored.Id() != id || !live_.Contains(slot)) {
      return false;
    }
    found = slot;
    return true;
  });
  return found;
}

std::optional<PointEntry> PointTable::Get(Slot slot) const {
  const StoredPoint* stored = FindStored(slot);
  if (stored == nullptr) return std::nullopt;
  return PointEntry{stored->Id(), stored->version, stored->vector_sequence,
                    stored->fields & known_fields_};
}

bool PointTable::Identify(Slot slot, PointId* id, SequenceNumber* version) const {
  const StoredPoint* stored = FindStored(slot);
  if (stored == nullptr) return false;
  *id = stored->Id();
  *version = stored->version;
  return true;
}

void PointTable::Prefetch(Slot slot) const {
  if (file_ == nullptr || slot >= file_->entries().size()) return;
  const StoredPoint& stored = file_->entries()[slot];
  __builtin_prefetch(&stored);  // Entries begin anywhere in a cache line.
  __builtin_prefetch(&stored.version);
}

void PointTable::Put(Slot slot, const PointEntry& entry) {
  ALMAGEST_CHECK(slot != kNoSlot);
  StoredPoint stored;
  stored.SetId(entry.id);
  stored.version = entry.version;
  stored.vector_sequence = entry.vector_sequence;
  stored.fields = entry.fields & known_fields_;
  if (!live_.Contains(slot)) {
    live_.Add(slot);
    ++size_;
  }
  changed_[slot] = stored;
  changed_ids_[entry.id] = slot;
  // All fields, not those that differ: the file's entry may be newer than its bitmaps.
  for (auto& [field, slots] : with_field_) {
    if ((stored.fields >> field & 1) == 0) slots.Remove(slot);
  }
  for (uint64_t rest = stored.fields; rest != 0; rest &= rest - 1) {
    with_field_[static_cast<FieldId>(std::countr_zero(rest))].Add(slot);
  }
}

void PointTable::Remove(Slot slot) {
  growing_rows_.erase(slot);
  if (!live_.Contains(slot)) return;
  const auto changed = changed_.find(slot);
  if (changed != changed_.end()) {
    changed_ids_.erase(changed->second.Id());
    changed_.erase(changed);
  }
  live_.Remove(slot);
  --size_;
  for (auto& [field, slots] : with_field_) slots.Remove(slot);
}

void PointTable::DropField(FieldId field) {
  known_fields_ &= ~(uint64_t{1} << field);
  with_field_.erase(field);
}

SlotSet PointTable::with_field(FieldId field) const {
  const auto found = with_field_.find(field);
  return found == with_field_.end() ? SlotSet() : found->second;
}

uint64_t PointTable::MemoryBytes() const {
  uint64_t bytes = changed_.bucket_count() * (sizeof(Slot) + sizeof(StoredPoint) + 1) +
                   changed_ids_.bucket_count() * (sizeof(PointId) + sizeof(Slot) + 1) +
                   growing_rows_.bucket_count() * (sizeof(Slot) + sizeof(RowLocation) + 1);
  bytes += live_.MemoryBytes();
  for (const auto& [field, slots] : with_field_) bytes += slots.MemoryBytes();
  return bytes;
}

RowLocation PointTable::growing_row(Slot slot) const {
  const auto found = growing_rows_.find(slot);
  return found == growing_rows_.end() ? RowLocation() : found->second;
}

std::vector<Slot> PointTable::SlotsInGrowing() const {
  std::vector<Slot> slots;
  slots.reserve(growing_rows_.size());
  for (const auto& [slot, location] : growing_rows_) slots.push_back(slot);
  std::ranges::sort(slots);
  return slots;
}

StoredPoint PointTable::Stored(Slot slot) const {
  const StoredPoint* stored = FindStored(slot);
  return stored != nullptr ? *stored : StoredPoint();
}

Result<> PointTable::Adopt(std::shared_ptr<const PointsFile> file, uint64_t known_fields) {
  known_fields_ = known_fields;
  ALMAGEST_TRY(live_, file->live());
  for (uint64_t rest = known_fields; rest != 0; rest &= rest - 1) {
    const auto field = static_cast<FieldId>(std::countr_zero(rest));
    ALMAGEST_TRY(SlotSet slots, file->with_field(field));
    if (!slots.empty()) with_field_[field] = std::move(slots);
  }
  size_ = live_.size();
  file_ = std::move(file);
  return {};
}

void PointTable::Rebase(std::shared_ptr<const PointsFile> file) {
  const SequenceNumber sequence = file->info().sequence;
  const uint64_t slots = file->entries().size();
  file_ = std::move(file);
  // Into new maps: the old ones keep the room that they once needed.
  boost::unordered_flat_map<Slot, StoredPoint> changed;
  boost::unordered_flat_map<PointId, Slot, PointIdHash> changed_ids;
  for (const auto& [slot, stored] : changed_) {
    if (slot < slots && stored.version <= sequence) continue;
    changed[slot] = stored;
    changed_ids[stored.Id()] = slot;
  }
  changed_ = std::move(changed);
  changed_ids_ = std::move(changed_ids);
}

void PointTable::Clear() {
  file_ = nullptr;
  changed_.clear();
  changed_ids_.clear();
  size_ = 0;
  live_ = SlotSet();
  with_field_.clear();
}

}  // namespace almagest
