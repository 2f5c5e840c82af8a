// Opening from a checkpoint of the point table and the changes logged since: the same collection as
// a scan of everything gives, whatever happened to the files.
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "engine/collection/change_log.h"
#include "engine/collection/points_file.h"
#include "storage/key_layout.h"
#include "tests/engine/collection/collection_fixture.h"
#include "tests/engine/collection/naive_model.h"

namespace almagest {
namespace {

class CheckpointTest : public CollectionTest {
 protected:
  void WriteBoth(std::vector<WriteOperation> operations) {
    const auto written = collection->Write(operations, Durability::kSync);
    ASSERT_TRUE(written) << written.error().message;
    ASSERT_TRUE(model.Apply(operations));
  }
  std::vector<PointInput> Points(uint64_t first, uint64_t count) {
    std::vector<PointInput> points;
    for (uint64_t id = first; id < first + count; ++id) {
      points.push_back(RandomPoint(random, id));
      points.back().vectors["terms"] = RandomSparse(random, 30);
      if (id % 2 == 0) points.back().vectors["dot"] = RandomVector(random, 4);
      points.back().payload = R"({"color":")" + std::to_string(random() % 3) + R"("})";
    }
    return points;
  }
  void RandomRequest() {
    const uint64_t first = random() % 60;
    switch (random() % 4) {
      case 0:
        WriteBoth({DeletePointsOperation{std::vector<PointId>{first, first + 2}}});
        break;
      case 1:
        WriteBoth({UpsertOperation{Points(first, 3), UpdateMode::kUpsert, {}},
                   DeletePointsOperation{std::vector<PointId>{first + 1}}});
        break;
      default:
        WriteBoth({UpsertOperation{Points(first, 1 + random() % 8), UpdateMode::kUpsert, {}}});
    }
  }
  std::filesystem::path PointsPath() const {
    std::filesystem::path found;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      if (!entry.path().filename().string().starts_with("points-")) continue;
      EXPECT_TRUE(found.empty()) << "two checkpoints";
      found = entry.path();
    }
    return found;
  }
  size_t LoggedRequests() const {
    size_t count = 0;
    const KeyRange range = ChangeRange(collection->id());
    EXPECT_TRUE(store->Scan(ColumnFamily::kChanges, range.first, range.limit,
                            [&](std::string_view, std::string_view) { return ++count > 0; }));
    return count;
  }
  void FlipBit(const std::filesystem::path& path) {
    const auto place = static_cast<std::streamoff>(random() % std::filesystem::file_size(path));
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(place);
    const auto byte = static_cast<char>(file.get() ^ (1 << random() % 8));
    file.seekp(place);
    file.put(byte);
  }
  // Without points in RocksDB a collection can only open from its checkpoint.
  void HidePoints() {
    WriteBatch batch;
    const KeyRange range = PointRange(collection->id());
    ASSERT_TRUE(store->Scan(ColumnFamily::kPoints, range.first, range.limit,
                            [&](std::string_view key, std::string_view value) {
                              hidden.Put(ColumnFamily::kPoints, std::string(key),
                                         std::string(value));
                              return true;
                            }));
    batch.DeleteRange(ColumnFamily::kPoints, range.first, range.limit);
    ASSERT_TRUE(store->Write(batch, Durability::kSync));
  }
  void ShowPoints() { ASSERT_TRUE(store->Write(hidden, Durability::kSync)); }

  NaiveModel model;
  WriteBatch hidden;
};

TEST_F(CheckpointTest, OpensWithoutReadingPoints) {
  WriteBoth({UpsertOperation{Points(0, 40), UpdateMode::kUpsert, {}}});
  OptimizeAll();
  ASSERT_TRUE(collection->Checkpoint());
  EXPECT_EQ(LoggedRequests(), 0u);
  WriteBoth({UpsertOperation{Points(30, 15), UpdateMode::kUpsert, {}},
             DeletePointsOperation{std::vector<PointId>{uint64_t{3}, uint64_t{44}}}});
  EXPECT_EQ(LoggedRequests(), 1u);
  HidePoints();
  Reopen();
  ShowPoints();
  ExpectSame(*collection, model, random);
  WriteBoth({UpsertOperation{Points(0, 5), UpdateMode::kUpsert, {}}});
  ExpectSame(*collection, model, random);
}

TEST_F(CheckpointTest, AgreesWithAMapWhereverTheProcessEnds) {
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random.seed(seed);
    limits = seed % 2 == 0 ? OpeningLimits() : OpeningLimits{0, 0};
    for (int step = 0; step < 25; ++step) {
      switch (random() % 8) {
        case 0:
          Reopen();
          break;
        case 1:
          ASSERT_TRUE(collection->Checkpoint());
          break;
        case 2:
          ASSERT_TRUE(collection->OptimizeOnce([](double) { return true; }));
          break;
        default:
          RandomRequest();
      }
    }
    Reopen();
    collection->WaitUntilOpened();
    ExpectSame(*collection, model, random);
  }
}

TEST_F(CheckpointTest, DamageAnywhereInTheFileIsRepaired) {
  WriteBoth({UpsertOperation{Points(0, 50), UpdateMode::kUpsert, {}}});
  OptimizeAll();
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random.seed(seed);
    ASSERT_TRUE(collection->Checkpoint());
    RandomRequest();
    const auto path = PointsPath();
    ASSERT_FALSE(path.empty());
    const auto bytes = std::filesystem::file_size(path);
    if (seed % 5 == 0) {
      std::filesystem::resize_file(path, random() % bytes);
    } else if (seed % 7 == 0) {
      std::filesystem::remove(path);
    } else {
      FlipBit(path);
    }
    Reopen();
    ExpectSame(*collection, model, random);
  }
}

TEST_F(CheckpointTest, DamageThatIsFoundLaterIsRepaired) {
  WriteBoth({UpsertOperation{Points(0, 50), UpdateMode::kUpsert, {}}});
  OptimizeAll();
  limits = {0, 0};
  for (uint32_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random.seed(seed);
    ASSERT_TRUE(collection->Checkpoint());
    RandomRequest();
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      files.push_back(entry.path());
    }
    std::ranges::sort(files);
    FlipBit(files[random() % files.size()]);
    Reopen();
    // Whatever is in the file: answers may be wrong until it was checked, nothing worse.
    std::thread reader([this] {
      for (Slot slot = 0; slot < 100; ++slot) {
        collection->FindPoint(slot);
        (void)collection->Vectors(slot, {});
      }
      EXPECT_TRUE(collection->MatchingSlots(ColorIs("1"), {}));
    });
    if (seed % 2 == 0) RandomRequest();
    collection->WaitUntilOpened();
    reader.join();
    ExpectSame(*collection, model, random);
    RandomRequest();
    Reopen();  // What was repaired stays so.
    collection->WaitUntilOpened();
    ExpectSame(*collection, model, random);
    OptimizeAll();
    ExpectSame(*collection, model, random);
  }
}

TEST_F(CheckpointTest, ALostSegmentStaysRepaired) {
  WriteBoth({UpsertOperation{Points(0, 50), UpdateMode::kUpsert, {}}});
  OptimizeAll();
  ASSERT_TRUE(collection->Checkpoint());
  for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
    if (entry.path().filename().string().starts_with("segment-")) {
      std::filesystem::remove(entry.path());
    }
  }
  // The checkpoint says of these rows that they are in a segment.
  for (int opening = 0; opening < 3; ++opening) {
    Reopen();
    ExpectSame(*collection, model, random);
  }
}

TEST_F(CheckpointTest, FoldersWithoutChangesOpen) {
  WriteBoth({UpsertOperation{Points(0, 30), UpdateMode::kUpsert, {}}});
  OptimizeAll();
  WriteBoth({DeletePointsOperation{std::vector<PointId>{uint64_t{3}}}});
  WriteBatch batch;
  const KeyRange range = ChangeRange(collection->id());
  batch.DeleteRange(ColumnFamily::kChanges, range.first, range.limit);
  ASSERT_TRUE(store->Write(batch, Durability::kSync));
  Reopen();
  ExpectSame(*collection, model, random);
  WriteBoth({UpsertOperation{Points(2, 3), UpdateMode::kUpsert, {}}});
  Reopen();
  ExpectSame(*collection, model, random);
  ASSERT_TRUE(collection->Checkpoint());
  WriteBoth({UpsertOperation{Points(28, 5), UpdateMode::kUpsert, {}}});
  Reopen();
  ExpectSame(*collection, model, random);
}

TEST_F(CheckpointTest, AMissingChangeIsNoticed) {
  WriteBoth({UpsertOperation{Points(0, 10), UpdateMode::kUpsert, {}}});
  ASSERT_TRUE(collection->Checkpoint());
  for (uint64_t id = 10; id < 14; ++id) {
    WriteBoth({UpsertOperation{Points(id, 1), UpdateMode::kUpsert, {}}});
  }
  WriteBatch batch;
  batch.Delete(ColumnFamily::kChanges, ChangeKey(collection->id(), 3));
  ASSERT_TRUE(store->Write(batch, Durability::kSync));
  Reopen();
  ExpectSame(*collection, model, random);
}

TEST_F(CheckpointTest, AStoppedWriteLeavesTheOldOne) {
  WriteBoth({UpsertOperation{Points(0, 30), UpdateMode::kUpsert, {}}});
  ASSERT_TRUE(collection->Checkpoint());
  WriteBoth({UpsertOperation{Points(30, 5), UpdateMode::kUpsert, {}}});
  const auto before = PointsPath();
  store->FailNthWrite(1, ErrorCode::kInternal);
  EXPECT_FALSE(collection->Checkpoint());
  store = store->LoseUnsynced();
  Reopen();
  EXPECT_EQ(PointsPath(), before);  // What was written in vain is gone.
  ExpectSame(*collection, model, random);
}

TEST(ChangeLogTest, RoundTripAndDamage) {
  ChangeSet changes;
  changes.previous = 41;
  ChangedPoint& point = changes.points.emplace_back();
  point.slot = 7;
  point.point.SetId(PointId(uint64_t{99}));
  point.point.fields = 5;
  changes.points.emplace_back().slot = 8;
  changes.terms[3].Count(std::vector<uint32_t>{4, 9}, 1);
  changes.terms[3].Count(std::vector<uint32_t>{9, 11}, -1);
  changes.terms[3].Pack();
  const std::string bytes = EncodeChanges(changes);
  const auto decoded = DecodeChanges(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->previous, 41u);
  ASSERT_EQ(decoded->points.size(), 2u);
  EXPECT_EQ(decoded->points[0].point.Id(), PointId(uint64_t{99}));
  EXPECT_EQ(decoded->points[1].point.kind, StoredPoint::kAbsent);
  ASSERT_EQ(decoded->terms.at(3).terms.size(), 2u);  // Term 9 came and went.
  EXPECT_EQ(decoded->terms.at(3).points, 0);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 4);
    EXPECT_FALSE(DecodeChanges(damaged)) << i;
    EXPECT_FALSE(DecodeChanges(bytes.substr(0, i))) << i;
  }
}

}  // namespace
}  // namespace almagest
