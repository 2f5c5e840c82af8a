// What is special about the store on disk: reopening, crashes, damage, locks, full disks, copies.
#include "storage/rocksdb_store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "storage/base/file.h"
#include "tests/storage/temporary_folder.h"

namespace almagest {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<KeyValueStore> MustOpen(const fs::path& directory) {
  auto store = OpenRocksDbStore(directory);
  EXPECT_TRUE(store) << store.error().message;
  return store ? std::move(*store) : nullptr;
}

Result<> Put(KeyValueStore& store, int number, size_t bytes = 100) {
  WriteBatch batch;
  batch.Put(ColumnFamily::kPoints, std::to_string(number), "point");
  batch.Put(ColumnFamily::kVectors, std::to_string(number), std::string(bytes, 'v'));
  return store.Write(batch, Durability::kProcess);
}

// Numbers 0..count-1 that are whole; a half batch fails the test.
int CountWhole(const KeyValueStore& store, int count) {
  int whole = 0;
  for (int i = 0; i < count; ++i) {
    const bool point = store.Get(ColumnFamily::kPoints, std::to_string(i)).value().has_value();
    const bool vector = store.Get(ColumnFamily::kVectors, std::to_string(i)).value().has_value();
    EXPECT_EQ(point, vector) << i;
    if (point) {
      EXPECT_EQ(whole, i) << "a hole before " << i;
      ++whole;
    }
  }
  return whole;
}

fs::path NewestLog(const fs::path& directory) {
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(directory / "rocksdb")) {
    if (entry.path().extension() != ".log" || entry.file_size() == 0) continue;
    if (newest.empty() || entry.path().filename() > newest.filename()) newest = entry.path();
  }
  return newest;
}

TEST(RocksDbStoreTest, RefusesWritesOnAFullDiskAndGoesOnWhenThereIsRoom) {
  const TemporaryFolder folder;
  RocksDbOptions options;
  std::filesystem::space_info space{.capacity = 2 << 20, .free = 4 << 20, .available = 4 << 20};
  options.disk_space = [&](const fs::path&) { return space; };
  auto store = OpenRocksDbStore(folder.path(), options);
  ASSERT_TRUE(store) << store.error().message;
  ASSERT_TRUE(Put(**store, 0));
  space.available = 1 << 20;  // Half: nothing is left for the write itself.
  const auto refused = Put(**store, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kStorageFull);
  EXPECT_NE(refused.error().message.find("free"), std::string::npos) << refused.error().message;
  EXPECT_EQ(CountWhole(**store, 2), 1);
  space.available = 2 << 20;
  EXPECT_FALSE(Put(**store, 1, 1 << 20)) << "a write needs its bytes twice";
  ASSERT_TRUE(Put(**store, 1));
  EXPECT_EQ(CountWhole(**store, 2), 2);
}

TEST(RocksDbStoreTest, ReopensWithEverything) {
  const TemporaryFolder folder;
  const auto directory = folder.path() / "a" / "b";  // Parents are created.
  {
    const auto store = MustOpen(directory);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(Put(*store, i));
  }
  EXPECT_EQ(ReadFile(directory / "VERSION").value(), "2\n");
  EXPECT_EQ(CountWhole(*MustOpen(directory), 50), 50);
}

TEST(RocksDbStoreTest, AcknowledgedWritesAreInTheLogAtOnce) {
  // The files as a killed process leaves them: copied from under the open store.
  const TemporaryFolder folder;
  const auto store = MustOpen(folder.path() / "data");
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Put(*store, i));
  fs::copy(folder.path() / "data", folder.path() / "copy", fs::copy_options::recursive);
  EXPECT_EQ(CountWhole(*MustOpen(folder.path() / "copy"), 50), 50);
}

TEST(RocksDbStoreTest, ATornLogTailLosesWholeBatchesOnly) {
  for (const uintmax_t cut : {1, 50, 120, 400, 2000}) {
    SCOPED_TRACE(cut);
    const TemporaryFolder folder;
    {
      const auto store = MustOpen(folder.path());
      for (int i = 0; i < 50; ++i) ASSERT_TRUE(Put(*store, i));
    }
    const auto log = NewestLog(folder.path());
    ASSERT_GT(fs::file_size(log), cut);
    fs::resize_file(log, fs::file_size(log) - cut);
    const auto store = MustOpen(folder.path());
    const int whole = CountWhole(*store, 50);
    EXPECT_LT(whole, 50);
    EXPECT_GE(whole, 49 - static_cast<int>(cut / 100));
    ASSERT_TRUE(Put(*store, 50));  // And it can be written again.
  }
}

TEST(RocksDbStoreTest, AFlippedByteInTheLogEndsTheReplay) {
  const TemporaryFolder folder;
  {
    const auto store = MustOpen(folder.path());
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(Put(*store, i));
  }
  const auto log = NewestLog(folder.path());
  {
    std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(fs::file_size(log) - 150));
    file.put('\x55');
  }
  const int whole = CountWhole(*MustOpen(folder.path()), 50);
  EXPECT_LT(whole, 50);
  EXPECT_GE(whole, 47);
}

TEST(RocksDbStoreTest, OneServerPerFolder) {
  const TemporaryFolder folder;
  {
    const auto store = MustOpen(folder.path());
    const auto second = OpenRocksDbStore(folder.path());
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::kFailedPrecondition);
    EXPECT_NE(second.error().message.find(folder.path().string()), std::string::npos);
  }
  // A second process: it only takes the lock (RocksDB's threads do not survive a fork).
  int ready[2];
  int finish[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(finish), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = FileLock::Acquire(folder.path() / "LOCK");
    char byte = lock ? 'y' : 'n';
    if (write(ready[1], &byte, 1) != 1 || read(finish[0], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_EQ(byte, 'y');
  EXPECT_EQ(OpenRocksDbStore(folder.path()).error().code, ErrorCode::kFailedPrecondition);
  ASSERT_EQ(write(finish[1], &byte, 1), 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const int end : {ready[0], ready[1], finish[0], finish[1]}) close(end);
  EXPECT_NE(MustOpen(folder.path()), nullptr);
}

TEST(RocksDbStoreTest, RefusesOtherFormats) {
  const TemporaryFolder folder;
  MustOpen(folder.path()).reset();
  ASSERT_TRUE(WriteFileAtomically(folder.path() / "VERSION", "3\n"));
  EXPECT_EQ(OpenRocksDbStore(folder.path()).error().code, ErrorCode::kFailedPrecondition);
  for (const char* text : {"", "1", "0\n", "one\n", "1\n2\n"}) {
    ASSERT_TRUE(WriteFileAtomically(folder.path() / "VERSION", text));
    EXPECT_EQ(OpenRocksDbStore(folder.path()).error().code, ErrorCode::kCorruption) << text;
  }
  fs::remove(folder.path() / "VERSION");
  EXPECT_EQ(OpenRocksDbStore(folder.path()).error().code, ErrorCode::kCorruption);
  ASSERT_TRUE(WriteFileAtomically(folder.path() / "VERSION", "1\n"));
  EXPECT_NE(MustOpen(folder.path()), nullptr);  // An older one becomes one of today.
  EXPECT_EQ(ReadFile(folder.path() / "VERSION").value(), "2\n");
}

TEST(RocksDbStoreTest, AFolderThatCannotBeMade) {
  const TemporaryFolder folder;
  ASSERT_TRUE(WriteFileAtomically(folder.path() / "file", "x"));
  const auto store = OpenRocksDbStore(folder.path() / "file" / "data");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kFailedPrecondition);
}

TEST(RocksDbStoreTest, DamagedTablesAreReported) {
  const TemporaryFolder folder;
  {
    const auto store = MustOpen(folder.path());
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(Put(*store, i));
    ASSERT_TRUE(store->Checkpoint(folder.path() / "copy"));  // Writes tables.
  }
  for (const auto& entry : fs::directory_iterator(folder.path() / "rocksdb")) {
    if (entry.path().extension() == ".sst") fs::resize_file(entry.path(), entry.file_size() / 2);
  }
  const auto store = OpenRocksDbStore(folder.path());
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kCorruption) << store.error().message;
}

TEST(RocksDbStoreTest, AFailedLogWriteMakesItReadOnly) {
  const TemporaryFolder folder;
  {
    const auto store = MustOpen(folder.path());
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(Put(*store, i));
    // A limit on file sizes stands in for a full disk.
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto old_handler = signal(SIGXFSZ, SIG_IGN);
    rlimit small = before;
    small.rlim_cur = 64 << 10;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    const auto failed = Put(*store, 10, 1 << 20);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, old_handler);
    EXPECT_FALSE(failed);
    // Space is back, but what reached the disk is unknown.
    const auto refused = Put(*store, 11);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(store->Sync().error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(CountWhole(*store, 12), 10);  // Reads go on.
  }
  const auto store = MustOpen(folder.path());
  EXPECT_EQ(CountWhole(*store, 12), 10);
  EXPECT_TRUE(Put(*store, 10));
}

TEST(RocksDbStoreTest, CheckpointIsAStoreOfItsOwn) {
  const TemporaryFolder folder;
  const auto store = MustOpen(folder.path() / "data");
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Put(*store, i));
  const auto copy = folder.path() / "copy";
  ASSERT_TRUE(store->Checkpoint(copy));
  EXPECT_EQ(store->Checkpoint(copy).error().code, ErrorCode::kAlreadyExists);
  for (int i = 20; i < 30; ++i) ASSERT_TRUE(Put(*store, i));
  const auto opened = MustOpen(copy);
  EXPECT_EQ(CountWhole(*opened, 30), 20);
  ASSERT_TRUE(Put(*opened, 20));
  EXPECT_EQ(CountWhole(*store, 30), 30);
}

TEST(RocksDbStoreTest, ASnapshotMayOutliveTheStore) {
  const TemporaryFolder folder;
  auto store = MustOpen(folder.path());
  ASSERT_TRUE(Put(*store, 0));
  auto snapshot = store->Snapshot();
  store.reset();
  EXPECT_EQ(OpenRocksDbStore(folder.path()).error().code, ErrorCode::kFailedPrecondition);
  snapshot.reset();
  EXPECT_EQ(CountWhole(*MustOpen(folder.path()), 1), 1);
}

}  // namespace
}  // namespace almagest
