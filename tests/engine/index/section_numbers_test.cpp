#include "engine/index/section_numbers.h"

#include <gtest/gtest.h>

#include "engine/index/section_file.h"
#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Random;
using index_test::TemporaryFolder;

// Written to a file and read back, with the bytes that it took.
struct Stored {
  SectionFile file;
  SectionNumbers numbers;
  size_t bytes = 0;
};

template <class T>
Stored Store(const TemporaryFolder& folder, const std::vector<T>& numbers) {
  auto writer = SectionWriter::Create(folder / "file");
  EXPECT_TRUE(WriteNumbers(*writer, "numbers", std::span<const T>(numbers)).has_value());
  EXPECT_TRUE(writer->Finish().has_value());
  auto file = SectionFile::Open(folder / "file", SectionFile::Verify::kAll);
  const auto bytes = *file->Section("numbers");
  auto read = SectionNumbers::FromBytes(bytes);
  EXPECT_TRUE(read.has_value());
  return {std::move(*file), *read, bytes.size()};
}

template <class T>
void ExpectEqual(const SectionNumbers& read, const std::vector<T>& numbers) {
  ASSERT_EQ(read.size(), numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(read[i], numbers[i]) << i;
}

TEST(SectionNumbersTest, ReadsBackNumbersOfAnyWidth) {
  const TemporaryFolder folder;
  for (const uint32_t width : {0u, 1u, 2u, 3u, 7u, 8u, 9u, 17u, 32u, 33u, 56u, 57u, 58u, 64u}) {
    SCOPED_TRACE("width " + std::to_string(width));
    Random random(width);
    std::vector<uint64_t> numbers(Below(random, 300));
    const uint64_t base = random();
    for (uint64_t& number : numbers) number = base + (width == 0 ? 0 : random() >> (64 - width));
    const Stored stored = Store(folder, numbers);
    ExpectEqual(stored.numbers, numbers);
    const size_t most = width > 57 ? 64 : width;
    EXPECT_LE(stored.bytes, sizeof(NumbersHeader) + (numbers.size() * most + 7) / 8 + 8);
  }
}

TEST(SectionNumbersTest, CountingUpTakesNoBits) {
  const TemporaryFolder folder;
  std::vector<uint32_t> slots(1000);
  for (uint32_t i = 0; i < slots.size(); ++i) slots[i] = 70'000 + i;
  const Stored stored = Store(folder, slots);
  ExpectEqual(stored.numbers, slots);
  EXPECT_EQ(stored.bytes, sizeof(NumbersHeader));
  // 7 gaps take 3 bits a row.
  for (uint32_t i = 0; i < slots.size(); ++i) slots[i] += std::min(i / 100, 7u);
  const Stored gaps = Store(folder, slots);
  ExpectEqual(gaps.numbers, slots);
  EXPECT_EQ(gaps.bytes, sizeof(NumbersHeader) + 375 + 8);
}

TEST(SectionNumbersTest, FindsTheFirstNotBelow) {
  const TemporaryFolder folder;
  for (uint32_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const size_t gap_max = size_t{1} << Below(random, 12);
    std::vector<uint32_t> slots(Below(random, 200));
    uint32_t next = static_cast<uint32_t>(Below(random, 50));
    for (uint32_t& slot : slots) {
      slot = next;
      next += 1 + static_cast<uint32_t>(Below(random, gap_max));
    }
    const Stored stored = Store(folder, slots);
    for (int i = 0; i < 300; ++i) {
      const uint64_t value = Below(random, size_t{next} + 10);
      const size_t first = Below(random, slots.size() + 1);
      const size_t last = first + Below(random, slots.size() - first + 1);
      const auto from = slots.begin() + static_cast<ptrdiff_t>(first);
      const auto to = slots.begin() + static_cast<ptrdiff_t>(last);
      ASSERT_EQ(stored.numbers.LowerBound(first, last, value),
                static_cast<size_t>(std::lower_bound(from, to, value) - slots.begin()))
          << value << " within " << first << " and " << last;
    }
  }
}

TEST(SectionNumbersTest, RefusesBytesOfAnotherForm) {
  const std::vector<std::byte> nothing;
  EXPECT_EQ(SectionNumbers::FromBytes(nothing).error().code, ErrorCode::kCorruption);
  NumbersHeader header;
  header.count = 10;
  header.width = 12;
  std::vector<std::byte> bytes(sizeof header + 15 + 8);
  const auto refused = [&] {
    std::memcpy(bytes.data(), &header, sizeof header);
    return !SectionNumbers::FromBytes(bytes).has_value();
  };
  EXPECT_FALSE(refused());
  header.count = 11;
  EXPECT_TRUE(refused());
  header.count = uint64_t{1} << 61;  // Times 12 it would be as much.
  EXPECT_TRUE(refused());
  header.count = 10;
  header.width = 58;
  EXPECT_TRUE(refused());
  header.width = 12;
  header.step = 2;
  EXPECT_TRUE(refused());
}

}  // namespace
}  // namespace almagest
