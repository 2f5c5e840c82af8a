// Vectors added to and removed from a collection that has points, sealed segments and searches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "engine/collection/field_table.h"
#include "engine/database.h"
#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

DenseVectorConfig Dense(uint32_t dimension, Distance distance = Distance::kDot) {
  DenseVectorConfig dense;
  dense.dimension = dimension;
  dense.distance = distance;
  return dense;
}

TEST(FieldTable, IteratesWhatWasNotDropped) {
  FieldTable table({});
  EXPECT_EQ(table.Find(""), nullptr);
  for (FieldId id : {FieldId{0}, FieldId{1}, FieldId{4}}) {
    CollectionField field;
    field.id = id;
    field.name = std::to_string(id);
    table.Add(field);
  }
  table.Drop(1);
  std::vector<std::string> names;
  for (const CollectionField& field : table.All()) names.push_back(field.name);
  EXPECT_THAT(names, testing::ElementsAre("0", "4"));
  EXPECT_EQ(table.size(), 5u);
  EXPECT_FALSE(table.Has(1));
  EXPECT_FALSE(table.Has(3));
  EXPECT_EQ(table.Find("1"), nullptr);
  EXPECT_EQ(table.Find("4")->id, 4);
}

class NamedVectorTest : public testing::Test {
 protected:
  void SetUp() override {
    Open();
    CollectionConfig config;
    config.dense["a"] = Dense(4, Distance::kCosine);
    config.dense["b"] = Dense(3);
    config.sparse["s"] = {};
    config.optimizer.seal_rows = 20;
    ASSERT_TRUE(database->CreateCollection("c", config));
  }
  void Open() {
    database.reset();
    DatabaseOptions options;
    options.data_directory = directory.path() / "data";
    options.optimizer_enabled = false;
    auto opened = Database::Open(options);
    ASSERT_TRUE(opened) << opened.error().message;
    database = std::move(*opened);
  }
  std::shared_ptr<Collection> collection() { return *database->FindCollection("c"); }
  void Seal() {
    while (*collection()->OptimizeOnce([](double) { return true; })) {
    }
  }
  void Upsert(uint64_t first, uint64_t last, const std::map<std::string, uint32_t>& dense) {
    UpsertOperation upsert;
    for (uint64_t id = first; id < last; ++id) {
      PointInput point;
      point.id = id;
      for (const auto& [name, dimension] : dense) {
        point.vectors[name] = RandomVector(random, dimension);
      }
      point.vectors["s"] = RandomSparse(random, 5);
      upsert.points.push_back(std::move(point));
    }
    const std::vector<WriteOperation> operations = {upsert};
    const auto written = collection()->Write(operations);
    ASSERT_TRUE(written) << written.error().message;
  }
  std::map<std::string, size_t> VectorCounts() {
    std::map<std::string, size_t> counts;
    const auto c = collection();
    VectorSelector all;
    all.kind = VectorSelector::Kind::kAll;
    const auto visited = c->VisitPoints({}, [&](const PointId&, Slot slot) {
      const auto vectors = c->Vectors(slot, all);
      for (const auto& [name, vector] : *vectors) ++counts[name];
      return true;
    });
    EXPECT_TRUE(visited);
    return counts;
  }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  std::mt19937 random{11};
};

using Counts = std::map<std::string, size_t>;

TEST_F(NamedVectorTest, AddedRemovedAndAddedAgainWithAnotherSize) {
  Upsert(0, 100, {{"a", 4}, {"b", 3}});
  Seal();
  EXPECT_EQ(VectorCounts(), (Counts{{"a", 100}, {"b", 100}, {"s", 100}}));
  ASSERT_TRUE(database->RemoveVector("c", "a"));
  EXPECT_EQ(VectorCounts(), (Counts{{"b", 100}, {"s", 100}}));
  EXPECT_FALSE(collection()->FindField("a"));
  ASSERT_TRUE(database->AddVector("c", "a", Dense(6)));
  EXPECT_TRUE(ScoreAll(*collection(), "a", RandomVector(random, 6)).empty())
      << "the old rows are not the new vector's";
  Upsert(50, 150, {{"a", 6}, {"b", 3}});
  const Counts expected{{"a", 100}, {"b", 150}, {"s", 150}};
  EXPECT_EQ(VectorCounts(), expected);
  const DenseVector query = RandomVector(random, 6);
  const auto scores = ScoreAll(*collection(), "a", query);
  EXPECT_EQ(scores.size(), 100u);
  Seal();
  EXPECT_EQ(ScoreAll(*collection(), "a", query), scores);
  Open();
  EXPECT_EQ(VectorCounts(), expected);
  EXPECT_EQ(ScoreAll(*collection(), "a", query), scores);
  EXPECT_EQ(collection()->config().dense.at("a").dimension, 6u);
}

TEST_F(NamedVectorTest, PointsStayWhenTheirLastVectorGoes) {
  Upsert(0, 30, {{"a", 4}});
  Seal();
  for (const char* name : {"a", "b", "s"}) ASSERT_TRUE(database->RemoveVector("c", name));
  EXPECT_EQ(collection()->point_count(), 30u);
  Seal();
  Open();
  EXPECT_EQ(collection()->point_count(), 30u);
  EXPECT_TRUE(VectorCounts().empty());
  ASSERT_TRUE(database->AddVector("c", "t", SparseVectorConfig{.idf = true}));
  EXPECT_TRUE(VectorCounts().empty());
  EXPECT_TRUE(collection()->FindField("t")->sparse.idf);
}

TEST_F(NamedVectorTest, TheSameAgainIsFineAndAnotherIsRefused) {
  ASSERT_TRUE(database->AddVector("c", "n", Dense(5)));
  EXPECT_TRUE(database->AddVector("c", "n", Dense(5)));
  const auto other = database->AddVector("c", "n", Dense(6));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kAlreadyExists);
  EXPECT_FALSE(database->AddVector("c", "n", SparseVectorConfig()));
  const auto absent = database->RemoveVector("c", "m");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().message, "Not existing vector name error: m");
  EXPECT_FALSE(database->AddVector("c", "zero", Dense(0)));
  // Ids are not used again, so names run out after kVectorFieldsMax of them.
  size_t added = 0;
  Result<WriteResult> last = WriteResult{};
  while (last && added < 2 * kVectorFieldsMax) {
    last = database->AddVector("c", "x", Dense(2));
    if (last) {
      ++added;
      ASSERT_TRUE(database->RemoveVector("c", "x"));
    }
  }
  EXPECT_EQ(added, kVectorFieldsMax - 4);
  EXPECT_EQ(last.error().code, ErrorCode::kResourceExhausted);
  Open();
  EXPECT_EQ(database->AddVector("c", "x", Dense(2)).error().code, ErrorCode::kResourceExhausted);
}

TEST_F(NamedVectorTest, SearchesAndRewritesGoOnMeanwhile) {
  Upsert(0, 60, {{"a", 4}, {"b", 3}});
  std::atomic<bool> stop{false};
  std::thread searching([&] {
    std::mt19937 own(3);
    while (!stop) {
      const auto c = collection();
      EXPECT_EQ(ScoreAll(*c, "b", RandomVector(own, 3)).size(), 60u);
      if (c->FindField("x")) (void)c->Versions("x");
      c->Info();
    }
  });
  std::thread rewriting([&] {
    while (!stop) EXPECT_TRUE(collection()->OptimizeOnce([](double) { return true; }));
  });
  for (int round = 0; round < 10; ++round) {
    EXPECT_TRUE(database->AddVector("c", "x", Dense(2)));
    EXPECT_TRUE(database->AddVector("c", "y", SparseVectorConfig()));
    EXPECT_TRUE(database->RemoveVector("c", "x"));
    EXPECT_TRUE(database->RemoveVector("c", "y"));
  }
  stop = true;
  searching.join();
  rewriting.join();
}

}  // namespace
}  // namespace almagest
