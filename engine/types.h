// The words that every part of the engine shares: point ids, vectors, distances, cancellation.
// PointId, Slot, SequenceNumber, VersionId come from storage/base/ids.h.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "storage/base/ids.h"
#include "storage/base/result.h"

namespace almagest {

// Any usual spelling of a UUID (hyphenated, simple, urn:uuid:, braces), else nullopt.
std::optional<Uuid> ParseUuid(std::string_view text);
// Digits, or the hyphenated lower-case UUID.
std::string PointIdToString(const PointId& id);

struct PointIdHash {
  size_t operator()(const PointId& id) const;
};

enum class Distance : uint8_t { kCosine, kEuclid, kDot, kManhattan };
std::string_view DistanceName(Distance distance);  // "Cosine", "Euclid", "Dot", "Manhattan"
std::optional<Distance> ParseDistance(std::string_view name);
// True when the larger REST score is the nearer one (Cosine, Dot).
bool LargerIsNearer(Distance distance);

// What the components of a field's vectors are rounded to when they are stored or asked for: half
// precision, or whole numbers 0..255 (saturated, fractions cut off). Rows stay 32-bit floats.
enum class Datatype : uint8_t { kFloat32, kFloat16, kUint8 };
std::string_view DatatypeName(Datatype datatype);  // "float32", "float16", "uint8"
std::optional<Datatype> ParseDatatype(std::string_view name);

using DenseVector = std::vector<float>;

// Sorted by index, no duplicates, finite values.
struct SparseVector {
  std::vector<uint32_t> indices;
  std::vector<float> values;
  bool operator==(const SparseVector&) const = default;
};
// Sorts by index. Fails (kOutOfRange) on different lengths, duplicate indices or non-finite values.
Result<SparseVector> MakeSparseVector(std::vector<uint32_t> indices, std::vector<float> values);

// Several vectors of one dimension that stand for one point together (ColBERT's tokens): rows one
// after another. Validated ones have a row at least and at most kMultiVectorValuesMax values.
struct MultiVector {
  uint32_t dimension = 0;
  std::vector<float> values;
  size_t rows() const { return dimension == 0 ? 0 : values.size() / dimension; }
  bool operator==(const MultiVector&) const = default;
};
inline constexpr size_t kMultiVectorValuesMax = (size_t{1} << 20) - 1;  // As Qdrant's.

using VectorData = std::variant<DenseVector, SparseVector, MultiVector>;
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
