// The numbers that records, indexes and the engine share: point ids, slots, fields, versions.
// Plain types without functions, so that every layer may use them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <variant>

namespace almagest {

// A point's id as its owner knows it: an unsigned 64-bit number or a UUID (16 bytes, in the order
// in which they are written). Ordered: numbers before UUIDs, each ascending.
struct Uuid {
  std::array<uint8_t, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
};
using PointId = std::variant<uint64_t, Uuid>;

// A point's internal number: dense, given once per point id and never used for another id. Payload
// indexes and filters speak in slots; segments map their rows to slots.
using Slot = uint32_t;
inline constexpr Slot kNoSlot = UINT32_MAX;

// Counts the write operations of a collection, from 1. A point's `version` in the REST API.
using SequenceNumber = uint64_t;

// An adapter version of one vector field. 0 is the identity (base vectors as given).
using VersionId = uint32_t;

// A collection's number, from 1, never reused. 0 marks records of the whole server.
using CollectionId = uint32_t;
inline constexpr CollectionId kServerRecords = 0;

// The number of a named vector (dense or sparse) inside its collection, never reused.
using FieldId = uint16_t;

// A feedback event: counts up per collection, so its order is the order of arrival.
using EventId = uint64_t;

}  // namespace almagest
