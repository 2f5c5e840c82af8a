#include "engine/index/section_file.h"

#include <gtest/gtest.h>

#include <fstream>

#include "engine/index/section_writer.h"
#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Random;
using index_test::TemporaryFolder;

void WriteRaw(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// A file with sections of several sizes; returns its content.
std::string WriteSample(const std::filesystem::path& path) {
  auto writer = SectionWriter::Create(path);
  EXPECT_TRUE(writer.has_value());
  const std::vector<uint32_t> numbers = {1, 2, 3, 4, 5};
  EXPECT_TRUE(writer->AddArray("numbers", std::span<const uint32_t>(numbers)).has_value());
  EXPECT_TRUE(writer->Add("empty", {}).has_value());
  EXPECT_TRUE(writer->AddValue("value", uint64_t{77}).has_value());
  EXPECT_TRUE(writer->Begin("streamed").has_value());
  for (int i = 0; i < 300; ++i) {
    EXPECT_TRUE(writer->Append(std::as_bytes(std::span(numbers))).has_value());
  }
  EXPECT_TRUE(writer->End().has_value());
  EXPECT_FALSE(std::filesystem::exists(path));  // Not before it is complete.
  EXPECT_TRUE(writer->Finish().has_value());
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".tmp"));
  return *ReadFile(path);
}

TEST(SectionFileTest, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder;
  WriteSample(folder / "a.seg");
  auto opened = SectionFile::Open(folder / "a.seg", SectionFile::Verify::kAll);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  const SectionFile file = std::move(*opened);  // Spans survive moves.
  const auto numbers = file.Array<uint32_t>("numbers");
  ASSERT_TRUE(numbers.has_value());
  EXPECT_EQ(std::vector<uint32_t>(numbers->begin(), numbers->end()),
            (std::vector<uint32_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(*file.Value<uint64_t>("value"), 77u);
  EXPECT_EQ(file.Section("empty")->size(), 0u);
  const auto streamed = file.Section("streamed");
  ASSERT_EQ(streamed->size(), 300u * 20);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(streamed->data()) % kSectionAlignment, 0u);
  EXPECT_TRUE(file.Has("value"));
  EXPECT_FALSE(file.Has("absent"));
  EXPECT_EQ(file.Section("absent").error().code, ErrorCode::kCorruption);
  EXPECT_EQ(file.Array<uint64_t>("numbers").error().code, ErrorCode::kCorruption);
  EXPECT_EQ(file.Value<uint32_t>("numbers").error().code, ErrorCode::kCorruption);
}

TEST(SectionFileTest, SectionsLargerThanTheBufferAreWhole) {
  const TemporaryFolder folder;
  Random random(5);
  std::vector<uint64_t> large(400'000);
  for (uint64_t& word : large) word = random();
  auto writer = SectionWriter::Create(folder / "large.seg");
  ASSERT_TRUE(writer->AddValue("small", uint8_t{1}).has_value());
  ASSERT_TRUE(writer->AddArray("large", std::span<const uint64_t>(large)).has_value());
  ASSERT_TRUE(writer->Finish().has_value());
  const auto file = SectionFile::Open(folder / "large.seg", SectionFile::Verify::kAll);
  ASSERT_TRUE(file.has_value()) << file.error().message;
  const auto read = *file->Array<uint64_t>("large");
  EXPECT_TRUE(std::equal(read.begin(), read.end(), large.begin(), large.end()));
}

TEST(SectionFileTest, MissingEmptyAndForeignFilesAreToldApart) {
  const TemporaryFolder folder;
  const auto open = [&](const std::string& name) {
    return SectionFile::Open(folder / name, SectionFile::Verify::kAll).error().code;
  };
  EXPECT_EQ(open("missing"), ErrorCode::kNotFound);
  WriteRaw(folder / "empty", "");
  EXPECT_EQ(open("empty"), ErrorCode::kCorruption);
  WriteRaw(folder / "foreign", std::string(1000, 'x'));
  EXPECT_EQ(open("foreign"), ErrorCode::kCorruption);
}

TEST(SectionFileTest, EveryTruncationIsFound) {
  const TemporaryFolder folder;
  const std::string content = WriteSample(folder / "a.seg");
  Random random(6);
  for (int trial = 0; trial < 300; ++trial) {
    const size_t bytes = trial < 70 ? static_cast<size_t>(trial) : Below(random, content.size());
    SCOPED_TRACE(testing::Message() << "bytes " << bytes);
    WriteRaw(folder / "cut", content.substr(0, bytes));
    const auto file = SectionFile::Open(folder / "cut", SectionFile::Verify::kStructure);
    ASSERT_FALSE(file.has_value());
    ASSERT_EQ(file.error().code, ErrorCode::kCorruption);
    ASSERT_FALSE(file.error().message.empty());
  }
  WriteRaw(folder / "long", content + "x");
  EXPECT_FALSE(SectionFile::Open(folder / "long", SectionFile::Verify::kStructure).has_value());
}

TEST(SectionFileTest, EveryFlippedByteIsFoundOrWasPadding) {
  const TemporaryFolder folder;
  const std::string content = WriteSample(folder / "a.seg");
  Random random(7);
  size_t found = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    const size_t place = Below(random, content.size());
    SCOPED_TRACE(testing::Message() << "trial " << trial << " place " << place);
    std::string damaged = content;
    damaged[place] = static_cast<char>(damaged[place] ^ (1 << Below(random, 8)));
    WriteRaw(folder / "damaged", damaged);
    const auto file = SectionFile::Open(folder / "damaged", SectionFile::Verify::kAll);
    if (!file.has_value()) {
      ASSERT_EQ(file.error().code, ErrorCode::kCorruption);
      ++found;
      continue;
    }
    // Only bytes between sections may differ unseen.
    for (const char* name : {"numbers", "empty", "value", "streamed"}) {
      const auto section = *file->Section(name);
      const auto offset =
          content.find(std::string(reinterpret_cast<const char*>(section.data()), section.size()));
      ASSERT_NE(offset, std::string::npos) << name;
    }
    ASSERT_EQ(content[place], '\0');
  }
  EXPECT_GT(found, 900u);
}

TEST(SectionWriterTest, AnUnfinishedFileLeavesNothing) {
  const TemporaryFolder folder;
  {
    auto writer = SectionWriter::Create(folder / "a.seg");
    ASSERT_TRUE(writer->AddValue("value", 1).has_value());
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "a.seg"));
  EXPECT_FALSE(std::filesystem::exists(folder / "a.seg.tmp"));
  EXPECT_EQ(SectionWriter::Create(folder / "no_folder/a.seg").error().code, ErrorCode::kInternal);
}

TEST(SectionWriterTest, RefusesNamesThatCannotBeStored) {
  const TemporaryFolder folder;
  auto writer = SectionWriter::Create(folder / "a.seg");
  const std::string longest(kSectionNameBytesMax, 'n');
  EXPECT_TRUE(writer->AddValue(longest, 1).has_value());
  EXPECT_DEATH((void)writer->AddValue(longest, 2), "");
  EXPECT_DEATH((void)writer->AddValue(longest + "n", 2), "");
  EXPECT_DEATH((void)writer->AddValue("", 2), "");
}

}  // namespace
}  // namespace almagest
