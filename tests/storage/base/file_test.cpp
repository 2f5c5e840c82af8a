#include "storage/base/file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "tests/storage/temporary_folder.h"

namespace almagest {
namespace {

TEST(FileTest, WritesAndReplacesAtomically) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  EXPECT_EQ(ReadFile(path).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(path, "first"));
  EXPECT_EQ(ReadFile(path).value(), "first");
  const std::string large(300'000, 'x');
  ASSERT_TRUE(WriteFileAtomically(path, large));
  EXPECT_EQ(ReadFile(path).value(), large);
  ASSERT_TRUE(WriteFileAtomically(path, ""));
  EXPECT_EQ(ReadFile(path).value(), "");
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".tmp"));
}

TEST(FileTest, ErrorsNameThePath) {
  const TemporaryFolder folder;
  const auto written = WriteFileAtomically(folder.path() / "missing" / "file", "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kNotFound);
  EXPECT_NE(written.error().message.find("missing"), std::string::npos);
  EXPECT_FALSE(SyncDirectory(folder.path() / "missing"));
  EXPECT_FALSE(ReadFile(folder.path()));  // A folder is not a file.
}

TEST(FileTest, ALockIsHeldOnce) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "LOCK";
  {
    const auto lock = FileLock::Acquire(path);
    ASSERT_TRUE(lock);
    const auto second = FileLock::Acquire(path);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kFailedPrecondition);
  }
  EXPECT_TRUE(FileLock::Acquire(path));
}

TEST(MappedFileTest, StaysReadableAfterUnlinkAndMove) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  ASSERT_TRUE(WriteFileAtomically(path, "mapped bytes"));
  auto opened = MappedFile::Open(path);
  ASSERT_TRUE(opened);
  const MappedFile mapped = std::move(*opened);
  std::filesystem::remove(path);
  ASSERT_EQ(mapped.bytes().size(), 12u);
  EXPECT_EQ(std::memcmp(mapped.bytes().data(), "mapped bytes", 12), 0);
}

TEST(MappedFileTest, EmptyAndAbsent) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  EXPECT_EQ(MappedFile::Open(path).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(path, ""));
  const auto empty = MappedFile::Open(path);
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->bytes().empty());
}

}  // namespace
}  // namespace almagest
