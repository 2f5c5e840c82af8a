// Payload indexes: for one path, which slots hold which value. They answer filter conditions by
// bitmap algebra, without reading payloads.
//
// An index stores the values of its type (an array counts once per element, one level deep), and
// for every slot whether it holds anything at all, nulls, or values of another type. So an answer
// has two parts: slots that match for sure, and slots that may match and must be read.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "engine/payload/filter.h"
#include "engine/payload/payload_index_type.h"
#include "engine/payload/payload_path.h"
#include "engine/payload/slot_set.h"
#include "engine/types.h"

namespace almagest {

// What an index can say about a condition. Disjoint; a slot in neither does not match.
struct IndexAnswer {
  SlotSet sure;
  SlotSet maybe;
};

struct ValueFacts;  // value_facts.h

// Slots by what they hold at the path, besides the values that the index knows.
struct FactSets {
  SlotSet filled;   // Not empty in the sense of is_empty.
  SlotSet nulls;    // Null in the sense of is_null.
  SlotSet present;  // At least one value that is not null.
  SlotSet several;  // More than one.
  SlotSet others;   // A value, not null, that is not of the index's type.
  SlotSet indexed;  // A value that is.

  void Enter(Slot slot, const ValueFacts& facts);
  uint64_t MemoryBytes() const {
    return filled.MemoryBytes() + nulls.MemoryBytes() + present.MemoryBytes() +
           several.MemoryBytes() + others.MemoryBytes() + indexed.MemoryBytes();
  }
};

// One index. Not thread-safe by itself: build it alone, then give it to PayloadIndexes
// (payload_indexes.h).
class PayloadIndex {
 public:
  virtual ~PayloadIndex() = default;
  static std::unique_ptr<PayloadIndex> Make(PayloadPath path, const PayloadIndexConfig& config);

  // Forgets what `old_payload` put under the slot and enters `new_payload`. Both canonical; an
  // empty text means no payload. The old text must be the one entered last.
  virtual void Update(Slot slot, std::string_view old_payload, std::string_view new_payload) = 0;

  // Any test but ValuesCount (which facts().filled helps to answer).
  virtual IndexAnswer Answer(const FieldCondition& condition) const = 0;
  // Visits (value, slots) in the order of the values from `start` (inclusive) on, until `visit`
  // says false. False, and nothing is visited, if the index has no order on a scale: only integer
  // (with `range`), float and datetime have one. Datetimes are microseconds since 1970.
  virtual bool VisitOrdered(bool descending, std::optional<double> start,
                            const std::function<bool(double, const SlotSet&)>& visit) const = 0;
  virtual uint64_t MemoryBytes() const = 0;

  const FactSets& facts() const { return facts_; }
  const PayloadPath& path() const { return path_; }
  const PayloadIndexConfig& config() const { return config_; }

 protected:
  PayloadIndex(PayloadPath path, PayloadIndexConfig config)
      : path_(std::move(path)), config_(std::move(config)) {}

  FactSets facts_;

 private:
  const PayloadPath path_;
  const PayloadIndexConfig config_;
};

}  // namespace almagest
