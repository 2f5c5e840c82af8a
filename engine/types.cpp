#include "engine/types.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "storage/base/checksum.h"

namespace almagest {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr std::string_view kDistanceNames[] = {"Cosine", "Euclid", "Dot", "Manhattan"};
constexpr std::string_view kDatatypeNames[] = {"float32", "float16", "uint8"};

}  // namespace

std::optional<Uuid> ParseUuid(std::string_view text) {
  constexpr std::string_view kUrn = "urn:uuid:";
  if (text.starts_with(kUrn)) {
    text.remove_prefix(kUrn.size());
  } else if (text.size() == 38 && text.front() == '{' && text.back() == '}') {
    text = text.substr(1, 36);
  }
  const bool hyphenated = text.size() == 36;
  if (!hyphenated && text.size() != 32) return std::nullopt;
  Uuid uuid;
  size_t digit = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (hyphenated && (i == 8 || i == 13 || i == 18 || i == 23)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int value = HexDigit(text[i]);
    if (value < 0) return std::nullopt;
    uuid.bytes[digit / 2] = static_cast<uint8_t>(uuid.bytes[digit / 2] << 4 | value);
    ++digit;
  }
  return uuid;
}

std::string PointIdToString(const PointId& id) {
  if (const auto* number = std::get_if<uint64_t>(&id)) return std::to_string(*number);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(36);
  const auto& bytes = std::get<Uuid>(id).bytes;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kDigits[bytes[i] >> 4]);
    text.push_back(kDigits[bytes[i] & 15]);
  }
  return text;
}

size_t PointIdHash::operator()(const PointId& id) const {
  if (const auto* number = std::get_if<uint64_t>(&id)) return Mix64(*number);
  uint64_t halves[2];
  std::memcpy(halves, std::get<Uuid>(id).bytes.data(), sizeof halves);
  return Mix64(halves[0] ^ Mix64(halves[1]));
}

std::string_view DistanceName(Distance distance) {
  return kDistanceNames[static_cast<size_t>(distance)];
}

std::optional<Distance> ParseDistance(std::string_view name) {
  for (size_t i = 0; i < std::size(kDistanceNames); ++i) {
    if (name == kDistanceNames[i]) return static_cast<Distance>(i);
  }
  return std::nullopt;
}

std::string_view DatatypeName(Datatype datatype) {
  return kDatatypeNames[static_cast<size_t>(datatype)];
}

std::optional<Datatype> ParseDatatype(std::string_view name) {
  for (size_t i = 0; i < std::size(kDatatypeNames); ++i) {
    if (name == kDatatypeNames[i]) return static_cast<Datatype>(i);
  }
  return std::nullopt;
}

bool LargerIsNearer(Distance distance) {
  return distance == Distance::kCosine || distance == Distance::kDot;
}

Result<SparseVector> MakeSparseVector(std::vector<uint32_t> indices, std::vector<float> values) {
  if (indices.size() != values.size()) {
    return Fail(ErrorCode::kOutOfRange, "a sparse vector has " + std::to_string(indices.size()) +
                                            " indices and " + std::to_string(values.size()) +
                                            " values: there must be as many of both");
  }
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      return Fail(ErrorCode::kOutOfRange, "the value of index " + std::to_string(indices[i]) +
                                              " of a sparse vector is not a finite number");
    }
  }
  SparseVector vector;
  if (std::is_sorted(indices.begin(), indices.end())) {
    vector = {std::move(indices), std::move(values)};
  } else {
    std::vector<size_t> order(indices.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(),
              [&](size_t a, size_t b) { return indices[a] < indices[b]; });
    for (const size_t i : order) {
      vector.indices.push_back(indices[i]);
      vector.values.push_back(values[i]);
    }
  }
  const auto twice = std::adjacent_find(vector.indices.begin(), vector.indices.end());
  if (twice != vector.indices.end()) {
    return Fail(ErrorCode::kOutOfRange,
                "a sparse vector has the index " + std::to_string(*twice) + " more than once");
  }
  return vector;
}

}  // namespace almagest
