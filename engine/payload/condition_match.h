// Tests one payload against a compiled filter. Inside engine/payload only: includes simdjson.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/payload/compiled_filter.h"
#include "engine/payload/payload_document.h"

namespace almagest {

// What a filter may ask of a point besides its payload: its slot in a collection (then has_id and
// has_vector look into CompiledCondition::slots), or its id and its vectors.
struct PointFacts {
  Slot slot = kNoSlot;
  const PointId* id = nullptr;
  const std::function<bool(const std::string& name)>* has_vector = nullptr;
};

// `payload` is the object that the filter's paths start from.
bool Matches(const CompiledFilter& filter, const JsonElement& payload, const PointFacts& facts);

// The point that an object with `lon` and `lat` names; nullopt for any other value.
std::optional<GeoPoint> GeoPointOf(const JsonElement& value);

// The tests on numbers, times and counts, shared with the indexes.
bool InRange(const Range& range, double value);
bool InRange(const DatetimeRange& range, int64_t micros);
bool InRange(const ValuesCount& range, uint64_t count);

}  // namespace almagest
