#include "storage/memory_store.h"

#include <gtest/gtest.h>

#include <string>

namespace almagest {
namespace {

Result<> Put(KeyValueStore& store, const std::string& key, Durability durability) {
  WriteBatch batch;
  batch.Put(ColumnFamily::kMeta, key, "value");
  return store.Write(batch, durability);
}

bool Has(const KeyValueStore& store, const std::string& key) {
  return store.Get(ColumnFamily::kMeta, key).value().has_value();
}

TEST(MemoryStoreTest, PowerLossKeepsWhatWasSynced) {
  MemoryStore store;
  ASSERT_TRUE(Put(store, "a", Durability::kProcess));
  ASSERT_TRUE(Put(store, "b", Durability::kSync));
  ASSERT_TRUE(Put(store, "c", Durability::kProcess));
  ASSERT_TRUE(Put(store, "d", Durability::kProcess));
  EXPECT_EQ(store.unsynced_count(), 2u);
  const auto lost = store.LoseUnsynced();
  EXPECT_TRUE(Has(*lost, "a"));  // The sync of b covers what came before.
  EXPECT_TRUE(Has(*lost, "b"));
  EXPECT_FALSE(Has(*lost, "c"));
  const auto partly = store.LoseUnsynced(1);
  EXPECT_TRUE(Has(*partly, "c"));
  EXPECT_FALSE(Has(*partly, "d"));
  ASSERT_TRUE(store.Sync());
  EXPECT_TRUE(Has(*store.LoseUnsynced(), "d"));
  EXPECT_EQ(store.unsynced_count(), 0u);
}

TEST(MemoryStoreTest, TheNthWriteFailsAndLaterOnesAreRefused) {
  MemoryStore store;
  ASSERT_TRUE(Put(store, "a", Durability::kSync));
  store.FailNthWrite(2, ErrorCode::kStorageFull);
  ASSERT_TRUE(Put(store, "b", Durability::kSync));
  const auto failed = Put(store, "c", Durability::kSync);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kStorageFull);
  EXPECT_EQ(Put(store, "d", Durability::kSync).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(store.Sync().error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(store.write_count(), 5u);
  EXPECT_TRUE(Has(store, "b"));
  EXPECT_FALSE(Has(store, "c"));
  const auto reopened = store.LoseUnsynced();
  EXPECT_FALSE(Has(*reopened, "c"));
  EXPECT_TRUE(Put(*reopened, "e", Durability::kSync));  // A fresh start may write again.
}

TEST(MemoryStoreTest, AFailedWriteMayHaveReachedTheDisk) {
  MemoryStore store;
  store.FailNthWrite(1, ErrorCode::kInternal, /*reaches_disk=*/true);
  ASSERT_FALSE(Put(store, "a", Durability::kSync));
  EXPECT_FALSE(Has(store, "a"));
  EXPECT_FALSE(Has(*store.LoseUnsynced(0), "a"));
  EXPECT_TRUE(Has(*store.LoseUnsynced(1), "a"));
}

TEST(MemoryStoreTest, ThereIsNothingToCheckpoint) {
  MemoryStore store;
  EXPECT_EQ(store.Checkpoint("somewhere").error().code, ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace almagest
