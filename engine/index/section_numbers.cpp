#include "engine/index/section_numbers.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>
#include <vector>

namespace almagest {
namespace {

constexpr uint64_t kPadding = sizeof(uint64_t);
// Wider rests might begin within a byte and end beyond the 8 bytes that are loaded.
constexpr uint64_t kWidthUnaligned = 57;

uint64_t RestBytes(uint64_t count, uint64_t width) {
  return width == 0 ? 0 : (count * width + 7) / 8 + kPadding;
}

// The line with this step below all numbers, and the bits that they are above it.
template <class T>
NumbersHeader LineBelow(std::span<const T> numbers, uint32_t step) {
  int64_t least = std::numeric_limits<int64_t>::max();
  int64_t most = std::numeric_limits<int64_t>::min();
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto over = static_cast<int64_t>(uint64_t{numbers[i]} - step * i);
    least = std::min(least, over);
    most = std::max(most, over);
  }
  NumbersHeader header;
  header.count = numbers.size();
  header.step = step;
  if (numbers.empty()) return header;
  header.base = static_cast<uint64_t>(least);
  const uint64_t range = static_cast<uint64_t>(most) - static_cast<uint64_t>(least);
  header.width = static_cast<uint32_t>(std::bit_width(range));
  if (header.width > kWidthUnaligned) header.width = 64;
  return header;
}

template <class T>
Result<> Write(SectionWriter& writer, std::string_view name, std::span<const T> numbers) {
  const NumbersHeader flat = LineBelow(numbers, 0);
  const NumbersHeader counting = LineBelow(numbers, 1);
  const NumbersHeader& header = counting.width <= flat.width ? counting : flat;
  std::vector<std::byte> bytes(sizeof header + RestBytes(header.count, header.width));
  std::memcpy(bytes.data(), &header, sizeof header);
  for (size_t i = 0; i < numbers.size() && header.width > 0; ++i) {
    const uint64_t rest = uint64_t{numbers[i]} - header.base - header.step * i;
    const uint64_t bit = i * header.width;
    std::byte* place = bytes.data() + sizeof header + bit / 8;
    uint64_t word;
    std::memcpy(&word, place, sizeof word);
    word |= rest << (bit % 8);
    std::memcpy(place, &word, sizeof word);
  }
  return writer.Add(name, bytes);
}

}  // namespace

Result<SectionNumbers> SectionNumbers::FromBytes(std::span<const std::byte> bytes) {
  NumbersHeader header;
  const bool has_header = bytes.size() >= sizeof header;
  if (has_header) std::memcpy(&header, bytes.data(), sizeof header);
  const bool fits = has_header && header.count <= std::numeric_limits<uint32_t>::max() &&
                    header.step <= 1 && (header.width <= kWidthUnaligned || header.width == 64) &&
                    bytes.size() == sizeof header + RestBytes(header.count, header.width);
  if (!fits) {
    return Fail(ErrorCode::kCorruption,
                std::to_string(bytes.size()) + " bytes are no list of packed numbers");
  }
  SectionNumbers numbers;
  numbers.base_ = header.base;
  numbers.step_ = header.step;
  numbers.width_ = header.width;
  numbers.mask_ = header.width == 0 ? 0 : ~uint64_t{0} >> (64 - header.width);
  numbers.count_ = header.count;
  // Without rests every look-up loads the header, and masks it out.
  numbers.rests_ = bytes.data() + (header.width == 0 ? 0 : sizeof header);
  return numbers;
}

size_t SectionNumbers::LowerBound(size_t first, size_t last, uint64_t value) const {
  if (step_ == 1) {
    // base + i <= number(i) <= base + i + mask.
    const auto over = static_cast<int64_t>(value - base_);
    if (over <= 0) return first;
    const auto highest = static_cast<uint64_t>(over);
    const uint64_t lowest = highest > mask_ ? highest - mask_ : 0;
    last = static_cast<size_t>(std::min<uint64_t>(last, std::max<uint64_t>(highest, first)));
    first = static_cast<size_t>(std::min<uint64_t>(last, std::max<uint64_t>(lowest, first)));
  }
  while (first < last) {
    const size_t middle = first + (last - first) / 2;
    if ((*this)[middle] < value) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return first;
}

Result<> WriteNumbers(SectionWriter& writer, std::string_view name,
                      std::span<const uint32_t> numbers) {
  return Write(writer, name, numbers);
}
Result<> WriteNumbers(SectionWriter& writer, std::string_view name,
                      std::span<const uint64_t> numbers) {
  return Write(writer, name, numbers);
}

}  // namespace almagest
