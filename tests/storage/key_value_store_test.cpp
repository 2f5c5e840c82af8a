// Both stores against one contract, and against each other on random operations.
#include "storage/key_value_store.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "storage/memory_store.h"
#include "storage/rocksdb_store.h"
#include "tests/storage/temporary_folder.h"

namespace almagest {
namespace {

using Records = std::vector<std::pair<std::string, std::string>>;

Records ScanAll(const KeyValueStore& store, ColumnFamily family, std::string_view first = "",
                std::string_view limit = "", const StoreSnapshot* snapshot = nullptr) {
  Records records;
  const auto visit = [&](std::string_view key, std::string_view value) {
    records.emplace_back(key, value);
    return true;
  };
  const auto scanned = store.Scan(family, first, limit, visit, snapshot);
  EXPECT_TRUE(scanned) << scanned.error().message;
  return records;
}

class KeyValueStoreTest : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    if (GetParam()) {
      auto opened = OpenRocksDbStore(folder_.path() / "data");
      ASSERT_TRUE(opened) << opened.error().message;
      store_ = std::move(*opened);
    } else {
      store_ = std::make_unique<MemoryStore>();
    }
  }
  void Put(ColumnFamily family, std::string key, std::string value) {
    WriteBatch batch;
    batch.Put(family, std::move(key), std::move(value));
    ASSERT_TRUE(store_->Write(batch, Durability::kProcess));
  }
  TemporaryFolder folder_;
  std::unique_ptr<KeyValueStore> store_;
};

TEST_P(KeyValueStoreTest, FamiliesAreApart) {
  for (size_t i = 0; i < kColumnFamilyCount; ++i) {
    Put(static_cast<ColumnFamily>(i), "key", std::to_string(i));
  }
  for (size_t i = 0; i < kColumnFamilyCount; ++i) {
    EXPECT_EQ(store_->Get(static_cast<ColumnFamily>(i), "key").value(), std::to_string(i));
  }
  EXPECT_EQ(store_->Get(ColumnFamily::kMeta, "absent").value(), std::nullopt);
  EXPECT_GT(store_->MemoryBytes(), 0u);
}

TEST_P(KeyValueStoreTest, AnyBytesAreKeysAndValues) {
  const std::string zero("\0", 1);
  const std::string high("\xff\xff\0", 3);
  Put(ColumnFamily::kPayload, "", "empty key");
  Put(ColumnFamily::kPayload, zero, "");
  Put(ColumnFamily::kPayload, high, zero);
  EXPECT_EQ(store_->Get(ColumnFamily::kPayload, "").value(), "empty key");
  const Records expected = {{"", "empty key"}, {zero, ""}, {high, zero}};
  EXPECT_EQ(ScanAll(*store_, ColumnFamily::kPayload), expected);
}

TEST_P(KeyValueStoreTest, LaterOperationsOfABatchWin) {
  Put(ColumnFamily::kMeta, "b", "old");
  WriteBatch batch;
  batch.Put(ColumnFamily::kMeta, "a", "1");
  batch.Put(ColumnFamily::kMeta, "a", "2");
  batch.DeleteRange(ColumnFamily::kMeta, "b", "c");
  batch.Put(ColumnFamily::kMeta, "c", "3");
  batch.Delete(ColumnFamily::kMeta, "c");
  batch.Put(ColumnFamily::kMeta, "bb", "after the range");
  batch.DeleteRange(ColumnFamily::kMeta, "z", "a");  // Runs backwards: nothing.
  EXPECT_EQ(batch.bytes(), 2u + 2 + 2 + 2 + 1 + 17 + 2);
  ASSERT_TRUE(store_->Write(batch, Durability::kSync));
  const Records expected = {{"a", "2"}, {"bb", "after the range"}};
  EXPECT_EQ(ScanAll(*store_, ColumnFamily::kMeta), expected);
  EXPECT_TRUE(store_->Write(WriteBatch(), Durability::kSync));
  EXPECT_TRUE(store_->Sync());
}

TEST_P(KeyValueStoreTest, ScansHalfOpenRangesAndStops) {
  for (const char* key : {"a", "b", "c", "d"}) Put(ColumnFamily::kPoints, key, key);
  EXPECT_EQ(ScanAll(*store_, ColumnFamily::kPoints, "b", "d").size(), 2u);
  EXPECT_EQ(ScanAll(*store_, ColumnFamily::kPoints, "c").size(), 2u);
  EXPECT_EQ(ScanAll(*store_, ColumnFamily::kPoints, "d", "b").size(), 0u);
  int visited = 0;
  ASSERT_TRUE(store_->Scan(ColumnFamily::kPoints, "", "",
                           [&](std::string_view, std::string_view) { return ++visited < 2; }));
  EXPECT_EQ(visited, 2);
}

TEST_P(KeyValueStoreTest, SnapshotsStandStill) {
  Put(ColumnFamily::kPoints, "a", "1");
  Put(ColumnFamily::kPoints, "b", "1");
  const auto snapshot = store_->Snapshot();
  Put(ColumnFamily::kPoints, "a", "2");
  WriteBatch batch;
  batch.Delete(ColumnFamily::kPoints, "b");
  batch.Put(ColumnFamily::kPoints, "c", "2");
  ASSERT_TRUE(store_->Write(batch, Durability::kProcess));
  const std::vector<std::string> keys = {"c", "a", "b", "a"};
  using Values = std::vector<std::optional<std::string>>;
  EXPECT_EQ(store_->MultiGet(ColumnFamily::kPoints, keys).value(),
            (Values{"2", "2", std::nullopt, "2"}));
  EXPECT_EQ(store_->MultiGet(ColumnFamily::kPoints, keys, snapshot.get()).value(),
            (Values{std::nullopt, "1", "1", "1"}));
  EXPECT_EQ(store_->Get(ColumnFamily::kPoints, "a", snapshot.get()).value(), "1");
  const Records before = {{"a", "1"}, {"b", "1"}};
  EXPECT_EQ(ScanAll(*store_, ColumnFamily::kPoints, "", "", snapshot.get()), before);
}

TEST_P(KeyValueStoreTest, ReadersNeverSeeHalfABatch) {
  Put(ColumnFamily::kPoints, "n", "0");
  Put(ColumnFamily::kVectors, "n", "0");
  constexpr int kBatches = 500;
  std::thread writer([&] {
    for (int i = 1; i <= kBatches; ++i) {
      WriteBatch batch;
      batch.Put(ColumnFamily::kPoints, "n", std::to_string(i));
      batch.Put(ColumnFamily::kVectors, "n", std::to_string(i));
      EXPECT_TRUE(store_->Write(batch, Durability::kProcess));
    }
  });
  std::string seen;
  while (seen != std::to_string(kBatches)) {
    const auto snapshot = store_->Snapshot();
    seen = store_->Get(ColumnFamily::kPoints, "n", snapshot.get()).value().value();
    EXPECT_EQ(store_->Get(ColumnFamily::kVectors, "n", snapshot.get()).value(), seen);
  }
  writer.join();
}

INSTANTIATE_TEST_SUITE_P(Stores, KeyValueStoreTest, testing::Bool(),
                         [](const auto& store) { return store.param ? "RocksDb" : "Memory"; });

// Random operations on both stores, which must agree all the time; RocksDB is reopened now and
// then, with small buffers, so that logs, tables and compactions all take part.
TEST(KeyValueStoreModelTest, RocksDbAgreesWithMemory) {
  for (const uint64_t seed : {1, 2, 3, 4}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const TemporaryFolder folder;
    RocksDbOptions options;
    options.write_buffer_bytes = 64 << 10;
    options.block_cache_bytes = 1 << 20;
    auto opened = OpenRocksDbStore(folder.path(), options);
    ASSERT_TRUE(opened) << opened.error().message;
    std::unique_ptr<KeyValueStore> rocksdb = std::move(*opened);
    MemoryStore memory;

    const auto random_key = [&] {
      std::string key(1 + random() % 3, '\0');
      for (char& byte : key) byte = static_cast<char>("\0a\x7f\xff"[random() % 4]);
      return key;
    };
    for (int step = 0; step < 600; ++step) {
      WriteBatch batch;
      const size_t operations = random() % 8;
      for (size_t i = 0; i < operations; ++i) {
        const auto family = static_cast<ColumnFamily>(random() % kColumnFamilyCount);
        switch (random() % 8) {
          case 0:
            batch.DeleteRange(family, random_key(), random_key());
            break;
          case 1:
          case 2:
            batch.Delete(family, random_key());
            break;
          default:
            batch.Put(family, random_key(), std::string(random() % 2000, char('a' + step % 26)));
        }
      }
      const auto durability = random() % 20 == 0 ? Durability::kSync : Durability::kProcess;
      ASSERT_TRUE(rocksdb->Write(batch, durability));
      ASSERT_TRUE(memory.Write(batch, durability));
      const auto family = static_cast<ColumnFamily>(random() % kColumnFamilyCount);
      std::vector<std::string> keys;
      for (int i = 0; i < 5; ++i) keys.push_back(random_key());
      ASSERT_EQ(rocksdb->MultiGet(family, keys).value(), memory.MultiGet(family, keys).value());
      ASSERT_EQ(rocksdb->Get(family, keys[0]).value(), memory.Get(family, keys[0]).value());
      ASSERT_EQ(ScanAll(*rocksdb, family, keys[1], keys[2]),
                ScanAll(memory, family, keys[1], keys[2]));
      if (random() % 100 == 0) {
        rocksdb.reset();
        auto reopened = OpenRocksDbStore(folder.path(), options);
        ASSERT_TRUE(reopened) << reopened.error().message;
        rocksdb = std::move(*reopened);
      }
    }
    for (size_t i = 0; i < kColumnFamilyCount; ++i) {
      const auto family = static_cast<ColumnFamily>(i);
      ASSERT_EQ(ScanAll(*rocksdb, family), ScanAll(memory, family));
    }
  }
}

}  // namespace
}  // namespace almagest
