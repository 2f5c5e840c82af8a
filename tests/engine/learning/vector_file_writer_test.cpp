#include "engine/learning/vector_file_writer.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/learning/line_tail.h"
#include "storage/base/safetensors.h"
#include "tests/engine/learning/temporary_folder.h"

namespace almagest {
namespace {

TEST(VectorFileWriter, WritesWhatSafetensorsReads) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "vectors.safetensors";
  std::vector<float> rows(3 * 1'000);
  std::iota(rows.begin(), rows.end(), 0.5f);
  auto writer = VectorFileWriter::Create(path, 3);
  ASSERT_TRUE(writer);
  (*writer)->BeginMatrix("documents");
  for (size_t first = 0; first < 900; first += 100) {
    ASSERT_TRUE((*writer)->Append(std::span(rows).subspan(first * 3, 300)));
  }
  EXPECT_EQ((*writer)->row_count(), 900u);
  EXPECT_FALSE(Safetensors::Open(path)) << "unfinished";
  (*writer)->BeginMatrix("queries");
  ASSERT_TRUE((*writer)->Append(std::span(rows).subspan(2'700, 300)));
  (*writer)->BeginMatrix("nothing");
  ASSERT_TRUE((*writer)->Finish());

  const auto file = Safetensors::Open(path);
  ASSERT_TRUE(file) << file.error().message;
  const auto documents = file->Float32("documents", std::vector<int64_t>{900, 3});
  const auto queries = file->Float32("queries", std::vector<int64_t>{100, 3});
  ASSERT_TRUE(documents && queries);
  EXPECT_TRUE(std::equal(documents->begin(), documents->end(), rows.begin()));
  EXPECT_TRUE(std::equal(queries->begin(), queries->end(), rows.begin() + 2'700));
  EXPECT_TRUE(file->Float32("nothing", std::vector<int64_t>{0, 3}));
}

TEST(VectorFileWriter, NamesAPathItCannotWrite) {
  const auto writer = VectorFileWriter::Create("/nowhere/at/all", 3);
  ASSERT_FALSE(writer);
  EXPECT_NE(writer.error().message.find("/nowhere/at/all"), std::string::npos);
}

TEST(LineTail, PassesOnCompleteLinesOnce) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "progress.jsonl";
  LineTail tail(path);
  std::vector<std::string> lines;
  const auto read = [&] {
    lines.clear();
    tail.Read([&](const std::string& line) { lines.push_back(line); });
    return lines;
  };
  using Lines = std::vector<std::string>;
  EXPECT_EQ(read(), Lines{});  // No file yet.
  std::ofstream file(path);
  file << "one\ntw" << std::flush;
  EXPECT_EQ(read(), Lines{"one"});
  EXPECT_EQ(read(), Lines{});
  file << "o\n\nthree\n" << std::flush;
  EXPECT_EQ(read(), (Lines{"two", "", "three"}));
  file << std::string(kTailLineBytesMax + 1, 'x') << std::flush;
  EXPECT_EQ(read(), Lines{});
  file << "x\nfour\n" << std::string(kTailLineBytesMax, 'y') << "\n" << std::flush;
  EXPECT_EQ(read(), (Lines{"four", std::string(kTailLineBytesMax, 'y')}));
}

}  // namespace
}  // namespace almagest
