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

// One index. Not thread-safe by itself: build it alone, then give it to PayloadIndexes
// (payload_indexes.h).
class PayloadIndex {
 public:
  virtual ~PayloadIndex() = default;
  static std::unique_ptr<PayloadIndex> Make(PayloadPath path, PayloadIndexType type);

  // Forgets what `old_payload` put under the slot and enters `new_payload`. Both canonical; an
  // empty text means no payload. The old text must be the one entered last.
  virtual void Update(Slot slot, std::string_view old_payload, std::string_view new_payload) = 0;

  // Any test but ValuesCount (which filled() helps to answer).
  virtual IndexAnswer Answer(const FieldCondition& condition) const = 0;
  // Slots that are not empty in the sense of is_empty, and slots that are null (is_null).
  virtual const SlotSet& filled() const = 0;
  virtual const SlotSet& nulls() const = 0;
  // Slots with at least one value that is not null.
  virtual const SlotSet& present() const = 0;
  // Visits (value, slots) in the order of the values from `start` (inclusive) on, until `visit`
  // says false. False, and nothing is visited, if the type has no order on a scale (keyword, bool,
  // uuid). Datetimes are microseconds since 1970.
  virtual bool VisitOrdered(bool descending, std::optional<double> start,
                            const std::function<bool(double, const SlotSet&)>& visit) const = 0;
  virtual uint64_t MemoryBytes() const = 0;

  const PayloadPath& path() const { return path_; }
  PayloadIndexType type() const { return type_; }

 protected:
  PayloadIndex(PayloadPath path, PayloadIndexType type) : path_(std::move(path)), type_(type) {}

 private:
  PayloadPath path_;
  PayloadIndexType type_;
};

}  // namespace almagest
