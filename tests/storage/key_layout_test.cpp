#include "storage/key_layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "storage/memory_store.h"

namespace almagest {
namespace {

Uuid RandomUuid(std::mt19937_64& random) {
  Uuid uuid;
  for (auto& byte : uuid.bytes) byte = static_cast<uint8_t>(random());
  return uuid;
}

TEST(KeyLayoutTest, TheFormatOnDisk) {
  using namespace std::string_literals;
  EXPECT_EQ(NextCollectionIdKey(), "\0\0\0\0\x01"s);
  EXPECT_EQ(AliasKey("words"), "\0\0\0\0\x02words"s);
  EXPECT_EQ(CatalogKey(7), "\0\0\0\0\x03\0\0\0\x07"s);
  EXPECT_EQ(ManifestKey(7), "\0\0\0\x07\x01"s);
  EXPECT_EQ(SequenceKey(7), "\0\0\0\x07\x02"s);
  EXPECT_EQ(PointKey(7, uint64_t{258}), "\0\0\0\x07\0\0\0\0\0\0\0\x01\x02"s);
  EXPECT_EQ(VectorKey(7, 1, 2), "\0\0\0\x07\0\x01\0\0\0\x02"s);
  EXPECT_EQ(PayloadKey(7, 2), "\0\0\0\x07\0\0\0\x02"s);
  EXPECT_EQ(FeedbackKey(7, 3), "\0\0\0\x07\0\0\0\0\0\0\0\x03"s);
  EXPECT_EQ(LearningKey(7, LearningKind::kJob, 3), "\0\0\0\x07\x02\0\0\0\0\0\0\0\x03"s);
}

TEST(KeyLayoutTest, PointKeysSortLikeIds) {
  std::mt19937_64 random(1);
  std::vector<PointId> ids = {uint64_t{0},   uint64_t{1}, uint64_t{255},
                              uint64_t{256}, UINT64_MAX,  Uuid{}};
  for (int i = 0; i < 200; ++i) {
    ids.push_back(random() >> (random() % 64));
    ids.push_back(RandomUuid(random));
  }
  std::sort(ids.begin(), ids.end());
  for (size_t i = 1; i < ids.size(); ++i) {
    if (ids[i - 1] == ids[i]) continue;
    EXPECT_LT(PointKey(9, ids[i - 1]), PointKey(9, ids[i]));
  }
}

TEST(KeyLayoutTest, ParsingInvertsBuilding) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 500; ++i) {
    const auto collection = static_cast<CollectionId>(random());
    const PointId id = random() % 2 == 0 ? PointId(random()) : PointId(RandomUuid(random));
    const auto field = static_cast<FieldId>(random());
    const auto slot = static_cast<Slot>(random());
    const EventId event = random();
    const auto point = ParsePointKey(PointKey(collection, id));
    ASSERT_TRUE(point);
    EXPECT_EQ(point->collection, collection);
    EXPECT_EQ(point->id, id);
    const auto vector = ParseVectorKey(VectorKey(collection, field, slot));
    ASSERT_TRUE(vector);
    EXPECT_EQ(vector->field, field);
    EXPECT_EQ(vector->slot, slot);
    EXPECT_EQ(ParsePayloadKey(PayloadKey(collection, slot))->slot, slot);
    EXPECT_EQ(ParseFeedbackKey(FeedbackKey(collection, event))->event, event);
    EXPECT_EQ(ParseCatalogKey(CatalogKey(collection)), collection);
    const auto learning = ParseLearningKey(LearningKey(collection, LearningKind::kReport, event));
    ASSERT_TRUE(learning);
    EXPECT_EQ(learning->kind, LearningKind::kReport);
    EXPECT_EQ(learning->number, event);
  }
  EXPECT_EQ(ParseAliasKey(AliasKey("")), "");
  EXPECT_EQ(ParseAliasKey(AliasKey("b")), "b");
}

TEST(KeyLayoutTest, ParsersRefuseEveryOtherLength) {
  std::mt19937_64 random(3);
  for (size_t size = 0; size < 40; ++size) {
    std::string key(size, '\0');
    for (char& byte : key) byte = static_cast<char>(random());
    EXPECT_EQ(ParseVectorKey(key).has_value(), size == 10);
    EXPECT_EQ(ParsePayloadKey(key).has_value(), size == 8);
    EXPECT_EQ(ParseFeedbackKey(key).has_value(), size == 12);
    if (size != 13 && size != 21) {
      EXPECT_FALSE(ParsePointKey(key));
    }
    if (size != 13) {
      EXPECT_FALSE(ParseLearningKey(key));
    }
    EXPECT_FALSE(ParseCatalogKey(key));
  }
}

TEST(KeyLayoutTest, PrefixRangeHoldsExactlyThePrefix) {
  const KeyRange range = PrefixRange("a\xff");
  EXPECT_EQ(range.first, "a\xff");
  EXPECT_EQ(range.limit, "b");
  EXPECT_EQ(PrefixRange("\xff\xff").limit, "");  // No upper end.
  EXPECT_EQ(CollectionRange(UINT32_MAX).limit, "");
}

TEST(KeyLayoutTest, RangesStayInsideACollection) {
  MemoryStore store;
  WriteBatch batch;
  for (const CollectionId collection : {1u, 2u, 3u}) {
    batch.Put(ColumnFamily::kPoints, PointKey(collection, uint64_t{5}), "number");
    batch.Put(ColumnFamily::kPoints, PointKey(collection, Uuid{}), "uuid");
    batch.Put(ColumnFamily::kVectors, VectorKey(collection, 1, UINT32_MAX), "vector");
    batch.Put(ColumnFamily::kVectors, VectorKey(collection, 2, 0), "vector");
    batch.Put(ColumnFamily::kMeta, ManifestKey(collection), "manifest");
    batch.Put(ColumnFamily::kMeta, CatalogKey(collection), "catalog");
  }
  ASSERT_TRUE(store.Write(batch, Durability::kProcess));
  const auto count = [&](ColumnFamily family, const KeyRange& range) {
    int keys = 0;
    const auto visit = [&](std::string_view, std::string_view) { return ++keys > 0; };
    EXPECT_TRUE(store.Scan(family, range.first, range.limit, visit));
    return keys;
  };
  EXPECT_EQ(count(ColumnFamily::kPoints, PointRange(2)), 2);
  EXPECT_EQ(count(ColumnFamily::kPoints, PointRange(2, uint64_t{6})), 1);
  EXPECT_EQ(count(ColumnFamily::kVectors, VectorRange(2, 1)), 1);
  EXPECT_EQ(count(ColumnFamily::kMeta, CatalogRange()), 3);

  WriteBatch removal;
  AddCollectionRemoval(2, &removal);
  ASSERT_TRUE(store.Write(removal, Durability::kProcess));
  for (size_t family = 0; family < kColumnFamilyCount; ++family) {
    EXPECT_EQ(count(static_cast<ColumnFamily>(family), CollectionRange(2)), 0);
  }
  EXPECT_EQ(count(ColumnFamily::kPoints, PointRange(1)), 2);
  EXPECT_EQ(count(ColumnFamily::kPoints, PointRange(3)), 2);
  EXPECT_EQ(count(ColumnFamily::kMeta, CatalogRange()), 2);
}

}  // namespace
}  // namespace almagest
