// Unsigned numbers in a section of a file, one per row, packed into as few bits as they leave open:
//   number(i) = base + step * i + rest(i),   rest(i) of `width` bits, 0 to 64
// with a step of 0 or 1, whichever leaves less. Numbers that count up take no bits at all, an
// ascending list with gaps as many as the count of gaps has; numbers of a narrow range as many as
// the range has. A look-up is one unaligned load, without a branch.
//
// Section: NumbersHeader, then the rests, the lowest bits of the first byte first, and 8 bytes of
// zeros (those, too, only if width is not 0).
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "engine/index/section_writer.h"
#include "storage/base/result.h"

namespace almagest {

// Stored as it is.
struct NumbersHeader {
  uint64_t base = 0;  // Modulo 2^64: the sum is right.
  uint64_t count = 0;
  uint32_t step = 0;
  uint32_t width = 0;
};
static_assert(sizeof(NumbersHeader) == 24);

// A view; borrows the bytes. Thread-safe.
class SectionNumbers {
 public:
  SectionNumbers() = default;
  // kCorruption if the bytes are not such a section. Damage that keeps the form makes other
  // numbers.
  static Result<SectionNumbers> FromBytes(std::span<const std::byte> bytes);

  size_t size() const { return count_; }
  // i < size().
  uint64_t operator[](size_t i) const {
    const uint64_t bit = i * width_;
    uint64_t word;
    std::memcpy(&word, rests_ + bit / 8, sizeof word);
    return base_ + step_ * i + ((word >> (bit % 8)) & mask_);
  }
  // Whether number(i) is base + i throughout; then `base`.
  bool CountsUp() const { return step_ == 1 && width_ == 0; }
  // Of ascending numbers, none below 0 modulo 2^64: the first i within [first, last) whose number
  // is not below `value`, or `last`. O(log of how far the numbers are from counting up).
  size_t LowerBound(size_t first, size_t last, uint64_t value) const;

 private:
  uint64_t base_ = 0;
  uint64_t step_ = 0;
  uint64_t width_ = 0;
  uint64_t mask_ = 0;
  size_t count_ = 0;
  const std::byte* rests_ = nullptr;  // 8 bytes can be read from where any rest begins.
};

// Adds the section. Errors of SectionWriter. Memory: the packed bytes.
Result<> WriteNumbers(SectionWriter& writer, std::string_view name,
                      std::span<const uint32_t> numbers);
Result<> WriteNumbers(SectionWriter& writer, std::string_view name,
                      std::span<const uint64_t> numbers);

}  // namespace almagest
