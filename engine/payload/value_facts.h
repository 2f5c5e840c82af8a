// What a payload holds at the path of an index, whatever the index's type, and the sets of slots by
// it. Inside engine/payload only: includes simdjson.
#pragma once

#include <string_view>

#include "engine/payload/payload_document.h"
#include "engine/payload/payload_index.h"

namespace almagest {

struct ValueFacts {
  size_t count = 0;        // Values that are not null.
  bool filled = false;     // Not empty in the sense of is_empty.
  bool has_null = false;   // Null in the sense of is_null.
  bool has_other = false;  // A value, not null, that the index does not take.
  bool has_own = false;    // One that it takes.
  bool operator==(const ValueFacts&) const = default;
};

// Offers every value at the path that is not null (those of an array one by one) to `take`, which
// says whether it is one for the index. `payload` is canonical; empty text stands for none.
template <class Take>
ValueFacts ReadValues(std::string_view payload, const PayloadPath& path, const Take& take) {
  ValueFacts facts;
  if (payload.empty()) return facts;
  const auto root = ReadPayload(payload);
  if (!root) return facts;  // Never written by us; the point matches no condition.
  VisitPath(*root, path.steps(), [&](const JsonElement& value) {
    if (!value.is_array() && !value.is_null()) facts.filled = true;
    return VisitElements(value, [&](const JsonElement& element) {
      if (value.is_array()) facts.filled = true;
      if (element.is_null()) {
        facts.has_null = true;
        return true;
      }
      ++facts.count;
      (take(element) ? facts.has_own : facts.has_other) = true;
      return true;
    });
  });
  return facts;
}

inline void FactSets::Enter(Slot slot, const ValueFacts& facts) {
  const auto mark = [slot](bool on, SlotSet* set) { on ? set->Add(slot) : set->Remove(slot); };
  mark(facts.filled, &filled);
  mark(facts.has_null, &nulls);
  mark(facts.count > 0, &present);
  mark(facts.count > 1, &several);
  mark(facts.has_other, &others);
  mark(facts.has_own, &indexed);
}

}  // namespace almagest
