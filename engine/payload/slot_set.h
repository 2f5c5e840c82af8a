// A set of slots: a compressed bitmap (Roaring; Lemire et al. 2016, arXiv:1603.06549).
// Dense runs and sparse members both take little; set algebra costs what the smaller side costs.
#pragma once

#include <cstdint>
#include <optional>
#include <roaring/roaring.hh>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/types.h"

namespace almagest {

// Const functions may be called from many threads at once.
class SlotSet {
 public:
  SlotSet() = default;
  static SlotSet Range(Slot first, Slot limit) {  // first <= slot < limit
    SlotSet set;
    if (first < limit) set.bitmap_.addRange(first, limit);
    return set;
  }
  static SlotSet Of(std::span<const Slot> slots) {
    SlotSet set;
    set.bitmap_.addMany(slots.size(), slots.data());
    return set;
  }

  static SlotSet Union(std::span<const SlotSet* const> sets) {
    std::vector<const Roaring*> bitmaps;
    bitmaps.reserve(sets.size());
    for (const SlotSet* set : sets) bitmaps.push_back(&set->bitmap_);
    SlotSet result;
    if (!bitmaps.empty()) result.bitmap_ = Roaring::fastunion(bitmaps.size(), bitmaps.data());
    return result;
  }

  void Add(Slot slot) { bitmap_.add(slot); }
  void Remove(Slot slot) { bitmap_.remove(slot); }
  bool Contains(Slot slot) const { return bitmap_.contains(slot); }
  bool empty() const { return bitmap_.isEmpty(); }
  uint64_t size() const { return bitmap_.cardinality(); }
  uint64_t IntersectionSize(const SlotSet& other) const {
    return bitmap_.and_cardinality(other.bitmap_);
  }

  SlotSet& operator&=(const SlotSet& other) {
    bitmap_ &= other.bitmap_;
    return *this;
  }
  SlotSet& operator|=(const SlotSet& other) {
    bitmap_ |= other.bitmap_;
    return *this;
  }
  SlotSet& operator-=(const SlotSet& other) {
    bitmap_ -= other.bitmap_;
    return *this;
  }
  friend SlotSet operator&(SlotSet a, const SlotSet& b) { return a &= b; }
  friend SlotSet operator|(SlotSet a, const SlotSet& b) { return a |= b; }
  friend SlotSet operator-(SlotSet a, const SlotSet& b) { return a -= b; }
  bool operator==(const SlotSet& other) const { return bitmap_ == other.bitmap_; }

  // Ascending.
  std::vector<Slot> ToVector() const {
    std::vector<Slot> slots(bitmap_.cardinality());
    bitmap_.toUint32Array(slots.data());
    return slots;
  }
  template <class Visit>
  void ForEach(Visit visit) const {
    for (const Slot slot : bitmap_) visit(slot);
  }
  // Packs the set when it will be kept.
  void Optimize() {
    bitmap_.runOptimize();
    bitmap_.shrinkToFit();
  }
  // Roaring's portable format, and back; nullopt if the bytes are not such a set.
  std::string Serialized() const {
    std::string bytes(bitmap_.getSizeInBytes(), '\0');
    bitmap_.write(bytes.data());
    return bytes;
  }
  static std::optional<SlotSet> FromSerialized(std::string_view bytes) {
    roaring_bitmap_t* raw = roaring_bitmap_portable_deserialize_safe(bytes.data(), bytes.size());
    if (raw == nullptr) return std::nullopt;
    SlotSet set;
    set.bitmap_ = Roaring(raw);
    return set;
  }
  uint64_t MemoryBytes() const { return sizeof *this + bitmap_.getSizeInBytes(); }

 private:
  Roaring bitmap_;
};

}  // namespace almagest
