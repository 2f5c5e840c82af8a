#include "engine/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "storage/key_layout.h"
#include "storage/rocksdb_store.h"
#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class DatabaseTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }
  void Open(bool optimizer_enabled = false) {
    database.reset();
    DatabaseOptions options;
    options.data_directory = directory.path() / "data";
    options.model_directory = directory.path() / "models";
    options.trainer_executable = directory.path() / "almagest-trainer";
    options.optimizer_enabled = optimizer_enabled;
    auto opened = Database::Open(options);
    ASSERT_TRUE(opened) << opened.error().message;
    database = std::move(*opened);
  }
  void Create(const std::string& name) {
    const auto created = database->CreateCollection(name, TestConfig());
    ASSERT_TRUE(created) << created.error().message;
  }
  void Fill(const std::string& name, uint64_t count) {
    UpsertOperation upsert;
    for (uint64_t id = 0; id < count; ++id) upsert.points.push_back(RandomPoint(random, id));
    const std::vector<WriteOperation> operations = {upsert};
    ASSERT_TRUE((*database->FindCollection(name))->Write(operations));
  }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  std::mt19937 random{5};
};

TEST_F(DatabaseTest, CollectionsComeStayAndGo) {
  Create("b");
  Create("a");
  const auto again = database->CreateCollection("a", TestConfig());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(again.error().message, "Collection `a` already exists!");
  Fill("a", 30);
  Open();
  EXPECT_THAT(database->CollectionNames(), ElementsAre("a", "b"));
  EXPECT_EQ((*database->FindCollection("a"))->point_count(), 30u);
  EXPECT_EQ(database->DropCollection("a"), true);
  EXPECT_EQ(database->DropCollection("a"), false);
  EXPECT_EQ(database->FindCollection("a").error().message, "Collection `a` doesn't exist!");
  Create("a");
  EXPECT_EQ((*database->FindCollection("a"))->point_count(), 0u);
  Open();
  EXPECT_EQ((*database->FindCollection("a"))->point_count(), 0u);
  const auto folders = directory.path() / "data" / "collections";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folders),
                          std::filesystem::directory_iterator()),
            2);
}

TEST_F(DatabaseTest, BadNamesAndConfigsAreRefused) {
  EXPECT_EQ(database->CreateCollection("a/b", TestConfig()).error().code, ErrorCode::kOutOfRange);
  CollectionConfig config = TestConfig();
  config.dense[""].dimension = 0;
  EXPECT_EQ(database->CreateCollection("a", config).error().code, ErrorCode::kOutOfRange);
  EXPECT_TRUE(database->CollectionNames().empty());
}

TEST_F(DatabaseTest, OneProcessAtATime) {
  const auto second = Database::Open(database->options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kFailedPrecondition);
}

TEST_F(DatabaseTest, ConfigAndIndexesArePersistent) {
  Create("a");
  ASSERT_TRUE(database->UpdateCollection("a", [](CollectionConfig& config) -> Result<> {
    config.optimizer.seal_rows = 33;
    return {};
  }));
  ASSERT_TRUE(database->CreatePayloadIndex("a", "n", PayloadIndexType::kFloat));
  ASSERT_TRUE(database->DropPayloadIndex("a", "color"));
  Open();
  const CollectionConfig config = (*database->FindCollection("a"))->config();
  EXPECT_EQ(config.optimizer.seal_rows, 33u);
  EXPECT_THAT(config.payload_indexes, ElementsAre(testing::Pair("n", PayloadIndexType::kFloat)));
  EXPECT_EQ(database->CreatePayloadIndex("b", "n", PayloadIndexType::kFloat).error().code,
            ErrorCode::kNotFound);
}

TEST_F(DatabaseTest, ADamagedCollectionIsQuarantinedAndTheRestServes) {
  Create("broken");
  Create("good");
  Fill("broken", 5);
  Fill("good", 5);
  const CollectionId id = (*database->FindCollection("broken"))->id();
  database.reset();
  {
    auto store = OpenRocksDbStore(directory.path() / "data" / "store");
    ASSERT_TRUE(store);
    WriteBatch batch;
    batch.Put(ColumnFamily::kPoints, PointKey(id, uint64_t{3}), "damaged");
    ASSERT_TRUE((*store)->Write(batch, Durability::kSync));
  }
  Open();
  EXPECT_THAT(database->CollectionNames(), ElementsAre("broken", "good"));
  EXPECT_EQ((*database->FindCollection("good"))->point_count(), 5u);
  const auto broken = database->FindCollection("broken");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(broken.error().message, HasSubstr("quarantined"));
  EXPECT_EQ(database->DropCollection("broken"), true);
  EXPECT_THAT(database->CollectionNames(), ElementsAre("good"));
}

TEST_F(DatabaseTest, TheOptimizerWorksInTheBackgroundAndLetsDropsThrough) {
  Open(true);
  Create("a");
  Create("b");
  Fill("a", 100);
  Fill("b", 100);
  while ((*database->FindCollection("a"))->Info().indexed_vectors < 100) {
    std::this_thread::yield();
  }
  EXPECT_EQ(database->DropCollection("a"), true);
  Fill("b", 100);
  EXPECT_EQ(database->DropCollection("b"), true);
  Create("b");
  Fill("b", 50);
  Open(true);
  EXPECT_EQ((*database->FindCollection("b"))->point_count(), 50u);
  EXPECT_GT(database->Memory().store_bytes, 0u);
}

}  // namespace
}  // namespace almagest
