// The words that every part of the engine shares: point ids, vectors, distances, cancellation.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

// A point's id as its owner knows it: an unsigned 64-bit number or a UUID (16 bytes, in the order
// in which they are written). Ordered: numbers before UUIDs, each ascending.
struct Uuid {
  std::array<uint8_t, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
};
using PointId = std::variant<uint64_t, Uuid>;

// Any usual spelling of a UUID (hyphenated, simple, urn:uuid:, braces), else nullopt.
std::optional<Uuid> ParseUuid(std::string_view text);
// Digits, or the hyphenated lower-case UUID.
std::string PointIdToString(const PointId& id);

struct PointIdHash {
  size_t operator()(const PointId& id) const;
};

// A point's internal number: dense, given once per point id and never used for another id. Payload
// indexes and filters speak in slots; segments map their rows to slots.
using Slot = uint32_t;
inline constexpr Slot kNoSlot = UINT32_MAX;

// Counts the write operations of a collection, from 1. A point's `version` in the REST API.
using SequenceNumber = uint64_t;

// An adapter version of one vector field. 0 is the identity (base vectors as given).
using VersionId = uint32_t;

enum class Distance : uint8_t { kCosine, kEuclid, kDot, kManhattan };
std::string_view DistanceName(Distance distance);  // "Cosine", "Euclid", "Dot", "Manhattan"
std::optional<Distance> ParseDistance(std::string_view name);
// True when the larger REST score is the nearer one (Cosine, Dot).
bool LargerIsNearer(Distance distance);

using DenseVector = std::vector<float>;

// Sorted by index, no duplicates, finite values.
struct SparseVector {
  std::vector<uint32_t> indices;
  std::vector<float> values;
  bool operator==(const SparseVector&) const = default;
};
// Sorts by index. Fails (kOutOfRange) on different lengths, duplicate indices or non-finite values.
Result<SparseVector> MakeSparseVector(std::vector<uint32_t> indices, std::vector<float> values);

using VectorData = std::variant<DenseVector, SparseVector>;
// Vectors of a point by name; the unnamed vector has the name "".
using NamedVectors = std::map<std::string, VectorData>;

// Tells a search or a scan to stop: asked every few thousand rows. Thread-safe.
struct Deadline {
  std::optional<std::chrono::steady_clock::time_point> at;
  const std::atomic<bool>* cancelled = nullptr;
  bool Expired() const {
    return (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) ||
           (at && std::chrono::steady_clock::now() >= *at);
  }
};

}  // namespace almagest
