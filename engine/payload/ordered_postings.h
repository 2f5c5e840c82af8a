// The postings of a payload index whose values stand in an order (numbers, datetimes): for each
// value the slots that hold it, and for each leaf of neighbouring values the slots that hold any of
// them. A range then unites its leaves and no more than two leaves' single values, however many
// distinct values it spans: timestamps differ from point to point.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/payload/slot_set.h"
#include "storage/base/check.h"

namespace almagest {

// Key: a type with a total order by <, copied freely. Const functions may be called from many
// threads at once.
template <class Key>
class OrderedPostings {
 public:
  // nullptr if no slot holds the key.
  const SlotSet* Find(Key key) const {
    const auto leaf = LeafOf(key);
    if (leaf == leaves_.end()) return nullptr;
    const size_t at = (*leaf)->LowerBound(key);
    const bool found = at < (*leaf)->keys.size() && (*leaf)->keys[at] == key;
    return found ? &(*leaf)->slots[at] : nullptr;
  }

  // O(log values), plus the moving of up to kLeafKeys entries where the key is new.
  void Add(Key key, Slot slot) {
    auto place = LeafOf(key);
    if (place == leaves_.end()) place = leaves_.insert(place, std::make_unique<Leaf>());
    Leaf& leaf = **place;
    const size_t at = leaf.LowerBound(key);
    if (at == leaf.keys.size() || leaf.keys[at] != key) {
      leaf.keys.insert(leaf.keys.begin() + static_cast<ptrdiff_t>(at), key);
      leaf.slots.insert(leaf.slots.begin() + static_cast<ptrdiff_t>(at), SlotSet());
    }
    leaf.slots[at].Add(slot);
    leaf.all.Add(slot);
    if (leaf.keys.size() > kLeafKeys) leaves_.insert(place + 1, leaf.SplitOff());
  }

  // The slot must be under the key. `kept`: all the other keys that it stays under.
  void Remove(Key key, Slot slot, std::span<const Key> kept) {
    const auto place = LeafOf(key);
    ALMAGEST_CHECK(place != leaves_.end());
    Leaf& leaf = **place;
    const size_t at = leaf.LowerBound(key);
    ALMAGEST_CHECK(at < leaf.keys.size() && leaf.keys[at] == key);
    leaf.slots[at].Remove(slot);
    const bool stays = std::any_of(kept.begin(), kept.end(), [&](Key other) {
      const SlotSet* slots = leaf.Find(other);
      return slots != nullptr && slots->Contains(slot);
    });
    if (!stays) leaf.all.Remove(slot);
    if (!leaf.slots[at].empty()) return;
    leaf.keys.erase(leaf.keys.begin() + static_cast<ptrdiff_t>(at));
    leaf.slots.erase(leaf.slots.begin() + static_cast<ptrdiff_t>(at));
    if (leaf.keys.empty()) leaves_.erase(place);
  }

  // The slots with a key that is neither `below` nor `above` the wanted ones; both are tests of a
  // key, true up to some key and from some key on. Cost: one union of leaves and of at most two
  // leaves' keys.
  template <class Below, class Above>
  SlotSet Between(const Below& below, const Above& above) const {
    std::vector<const SlotSet*> sets;
    auto place = std::partition_point(leaves_.begin(), leaves_.end(),
                                      [&](const auto& leaf) { return below(leaf->keys.back()); });
    for (; place != leaves_.end() && !above((*place)->keys.front()); ++place) {
      const Leaf& leaf = **place;
      if (!below(leaf.keys.front()) && !above(leaf.keys.back())) {
        sets.push_back(&leaf.all);
        continue;
      }
      for (size_t i = 0; i < leaf.keys.size(); ++i) {
        if (!below(leaf.keys[i]) && !above(leaf.keys[i])) sets.push_back(&leaf.slots[i]);
      }
    }
    return SlotSet::Union(sets);
  }

  // Visits (key, slots) in the order of the keys, or against it, until `visit` says false.
  template <class Visit>
  void ForEach(bool descending, const Visit& visit) const {
    const auto of_leaf = [&](const Leaf& leaf) {
      const size_t count = leaf.keys.size();
      for (size_t i = 0; i < count; ++i) {
        const size_t at = descending ? count - 1 - i : i;
        if (!visit(leaf.keys[at], leaf.slots[at])) return false;
      }
      return true;
    };
    if (descending) {
      for (auto leaf = leaves_.rbegin(); leaf != leaves_.rend() && of_leaf(**leaf); ++leaf) {
      }
    } else {
      for (auto leaf = leaves_.begin(); leaf != leaves_.end() && of_leaf(**leaf); ++leaf) {
      }
    }
  }

  uint64_t MemoryBytes() const {
    uint64_t bytes = 0;
    for (const auto& leaf : leaves_) {
      bytes += sizeof(Leaf) + leaf->all.MemoryBytes() + leaf->keys.capacity() * sizeof(Key);
      for (const SlotSet& slots : leaf->slots) bytes += slots.MemoryBytes();
    }
    return bytes;
  }

 private:
  static constexpr size_t kLeafKeys = 512;

  struct Leaf {
    std::vector<Key> keys;       // Ascending, at least one.
    std::vector<SlotSet> slots;  // Of each key; not empty.
    SlotSet all;                 // Their union.

    size_t LowerBound(Key key) const {
      return static_cast<size_t>(std::lower_bound(keys.begin(), keys.end(), key) - keys.begin());
    }
    const SlotSet* Find(Key key) const {
      const size_t at = LowerBound(key);
      return at < keys.size() && keys[at] == key ? &slots[at] : nullptr;
    }
    // The upper half, which leaves this one.
    std::unique_ptr<Leaf> SplitOff() {
      const auto half = static_cast<ptrdiff_t>(keys.size() / 2);
      auto upper = std::make_unique<Leaf>();
      upper->keys.assign(keys.begin() + half, keys.end());
      upper->slots.assign(std::make_move_iterator(slots.begin() + half),
                          std::make_move_iterator(slots.end()));
      keys.resize(static_cast<size_t>(half));
      slots.resize(static_cast<size_t>(half));
      Unite();
      upper->Unite();
      return upper;
    }
    void Unite() {
      std::vector<const SlotSet*> sets;
      for (const SlotSet& of_key : slots) sets.push_back(&of_key);
      all = SlotSet::Union(sets);
    }
  };
  using Leaves = std::vector<std::unique_ptr<Leaf>>;

  // Where the key is or belongs; end() only if there is no leaf.
  template <class Self>
  static auto LeafIn(Self& leaves, Key key) {
    const auto next =
        std::upper_bound(leaves.begin(), leaves.end(), key,
                         [](Key wanted, const auto& leaf) { return wanted < leaf->keys.front(); });
    return next == leaves.begin() ? next : next - 1;
  }
  typename Leaves::iterator LeafOf(Key key) { return LeafIn(leaves_, key); }
  typename Leaves::const_iterator LeafOf(Key key) const { return LeafIn(leaves_, key); }

  Leaves leaves_;  // In the order of their keys.
};

}  // namespace almagest
