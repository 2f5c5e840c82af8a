// Points in an order that no similarity gives: by id, by a payload value, at random.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"
#include "engine/search/ranked_slots.h"

namespace almagest {

// Which points may be chosen.
struct PointChoice {
  const SlotSet* allowed = nullptr;   // nullptr: every point.
  const SlotSet* excluded = nullptr;  // nullptr: none.
  bool Contains(Slot slot) const {
    return (allowed == nullptr || allowed->Contains(slot)) &&
           (excluded == nullptr || !excluded->Contains(slot));
  }
};

// The score of points that are not ranked by one, as in Qdrant.
inline constexpr float kUnrankedScore = 1.0f;

// All: at most `limit` points. Errors: kTimeout.
Result<std::vector<RankedSlot>> PointsById(const Collection& collection, const PointChoice& choice,
                                           uint64_t limit, const Deadline& deadline);
// Every subset is equally likely, in random order.
Result<std::vector<RankedSlot>> RandomPoints(const Collection& collection,
                                             const PointChoice& choice, uint64_t limit,
                                             const Deadline& deadline);

// A point with several values occurs once per value; equal values go by id, descending where the
// values are. Also kBadRequest (the key has no ordered payload index).
struct OrderedPoints {
  std::vector<RankedSlot> ranked;
  std::vector<double> values;  // One per entry.
};
Result<OrderedPoints> PointsByValue(const Collection& collection, const OrderByQuery& order,
                                    const PointChoice& choice, uint64_t limit,
                                    const Deadline& deadline);

}  // namespace almagest
