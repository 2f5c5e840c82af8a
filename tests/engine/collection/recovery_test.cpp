// What is left after crashes, lost and damaged files and failing writes.
#include <gtest/gtest.h>

#include <fstream>

#include "tests/engine/collection/collection_fixture.h"
#include "tests/engine/collection/naive_model.h"

namespace almagest {
namespace {

class RecoveryTest : public CollectionTest {
 protected:
  void WriteBoth(std::vector<WriteOperation> operations,
                 std::optional<Durability> durability = {}) {
    const auto written = collection->Write(operations, durability);
    ASSERT_TRUE(written) << written.error().message;
    ASSERT_TRUE(model.Apply(operations));
  }
  std::vector<PointInput> Points(uint64_t first, uint64_t count) {
    std::vector<PointInput> points;
    for (uint64_t id = first; id < first + count; ++id) {
      points.push_back(RandomPoint(random, id));
      points.back().vectors["terms"] = RandomSparse(random, 30);
      if (id % 2 == 0) points.back().vectors["dot"] = RandomVector(random, 4);
      points.back().payload = R"({"color":"red"})";
    }
    return points;
  }
  // 50 points in sealed segments, of which some updated and deleted since, and a tail.
  void Fill() {
    WriteBoth({UpsertOperation{Points(0, 30), UpdateMode::kUpsert, {}}});
    OptimizeAll();
    WriteBoth({UpsertOperation{Points(30, 20), UpdateMode::kUpsert, {}}});
    OptimizeAll();
    WriteBoth({UpsertOperation{Points(5, 3), UpdateMode::kUpsert, {}},
               DeletePointsOperation{std::vector<PointId>{uint64_t{1}, uint64_t{31}}}});
    WriteBoth({UpsertOperation{Points(50, 7), UpdateMode::kUpsert, {}}});
  }
  std::vector<std::filesystem::path> SegmentFiles() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      files.push_back(entry.path());
    }
    std::ranges::sort(files);
    return files;
  }
  size_t SealedCount() const {
    size_t count = 0;
    const auto view = collection->view();
    for (const auto& segment : view->segments) count += segment->sealed() ? 1 : 0;
    return count;
  }

  NaiveModel model;
};

TEST_F(RecoveryTest, OpensWhatWasThere) {
  Fill();
  ASSERT_EQ(SealedCount(), 2u);
  const auto files = SegmentFiles();
  Reopen();
  EXPECT_EQ(SealedCount(), 2u);
  EXPECT_EQ(SegmentFiles(), files);
  ExpectSame(*collection, model, random);
}

TEST_F(RecoveryTest, MissingSegmentFile) {
  Fill();
  std::filesystem::remove(SegmentFiles()[0]);
  Reopen();
  EXPECT_EQ(SealedCount(), 1u);
  ExpectSame(*collection, model, random);
  OptimizeAll();
  ExpectSame(*collection, model, random);
  Reopen();
  ExpectSame(*collection, model, random);
}

TEST_F(RecoveryTest, TruncatedSegmentFile) {
  Fill();
  for (const auto& file : SegmentFiles()) {
    std::filesystem::resize_file(file, std::filesystem::file_size(file) * 2 / 3);
  }
  Reopen();
  EXPECT_EQ(SealedCount(), 0u);
  EXPECT_TRUE(SegmentFiles().empty());
  ExpectSame(*collection, model, random);
}

TEST_F(RecoveryTest, AnyFlippedByteIsFoundOrHarmless) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random.seed(seed);
    if (SealedCount() == 0) Fill();
    for (const auto& file : SegmentFiles()) {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      const auto place = static_cast<std::streamoff>(random() % std::filesystem::file_size(file));
      stream.seekg(place);
      const char byte = static_cast<char>(stream.get());
      stream.seekp(place);
      stream.put(static_cast<char>(byte ^ (1 << (random() % 8))));
    }
    Reopen();
    ExpectSame(*collection, model, random);
    OptimizeAll();
    if (HasFailure()) return;
  }
}

TEST_F(RecoveryTest, FilesOfNoSegmentAreRemoved) {
  Fill();
  const auto files = SegmentFiles();
  std::filesystem::copy_file(files[0], directory.path() / "segment-999.alm");
  std::ofstream(directory.path() / "segment-1000.alm.tmp") << "half";
  Reopen();
  EXPECT_EQ(SegmentFiles(), files);
  ExpectSame(*collection, model, random);
}

TEST_F(RecoveryTest, AFileOfAnotherSegmentIsNotTaken) {
  Fill();
  const auto files = SegmentFiles();
  std::filesystem::copy_file(files[0], files[1], std::filesystem::copy_options::overwrite_existing);
  Reopen();
  EXPECT_EQ(SealedCount(), 1u);
  ExpectSame(*collection, model, random);
}

TEST_F(RecoveryTest, AFailedWriteChangesNothing) {
  Fill();
  store->FailNthWrite(1, ErrorCode::kStorageFull);
  const auto written = Write({UpsertOperation{Points(0, 60), UpdateMode::kUpsert, {}},
                              DeletePointsOperation{ColorIs("red")}});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kStorageFull);
  ExpectSame(*collection, model, random);
}

TEST_F(RecoveryTest, AFailedManifestWriteChangesNothing) {
  Fill();
  for (uint64_t id = 100; id < 120; ++id) {
    WriteBoth({UpsertOperation{Points(id, 1), UpdateMode::kUpsert, {}}});
  }
  const auto segments = collection->view()->segments;
  store->FailNthWrite(1, ErrorCode::kStorageFull);
  const auto step = collection->OptimizeOnce([](double) { return true; });
  ASSERT_FALSE(step);
  EXPECT_EQ(collection->view()->segments, segments);
  ExpectSame(*collection, model, random);
}

TEST_F(RecoveryTest, PowerLossLosesNothingThatWasSynced) {
  for (size_t surviving = 0; surviving <= 4; ++surviving) {
    SCOPED_TRACE("surviving batches: " + std::to_string(surviving));
    collection.reset();
    store = std::make_unique<MemoryStore>();
    std::filesystem::remove_all(directory.path());
    model = NaiveModel();
    Reopen();
    WriteBoth({UpsertOperation{Points(0, 25), UpdateMode::kUpsert, {}}}, Durability::kSync);
    WriteBoth({UpsertOperation{Points(25, 5), UpdateMode::kUpsert, {}}}, Durability::kProcess);
    OptimizeAll();  // The manifest is synced, and so is all that came before it.
    std::vector<NaiveModel> states = {model};
    for (int i = 0; i < 4; ++i) {
      WriteBoth(
          {UpsertOperation{Points(20 + 5 * static_cast<uint64_t>(i), 5), UpdateMode::kUpsert, {}},
           DeletePointsOperation{std::vector<PointId>{uint64_t{20}}}},
          Durability::kProcess);
      states.push_back(model);
    }
    collection.reset();
    store = store->LoseUnsynced(surviving);
    Reopen();
    EXPECT_EQ(SealedCount(), 1u);
    ExpectSame(*collection, states[surviving], random);
  }
}

TEST_F(RecoveryTest, AManifestOfUnknownFateLosesNothing) {
  Fill();
  WriteBoth({UpsertOperation{Points(200, 20), UpdateMode::kUpsert, {}}});
  store->FailNthWrite(1, ErrorCode::kInternal, true);
  ASSERT_FALSE(collection->OptimizeOnce([](double) { return true; }));
  for (const size_t surviving : {size_t{0}, size_t{1}}) {
    collection.reset();
    std::unique_ptr<MemoryStore> found = store->LoseUnsynced(surviving);
    std::swap(store, found);
    Reopen();
    ExpectSame(*collection, model, random);
    collection.reset();
    if (surviving == 0) std::swap(store, found);
  }
}

}  // namespace
}  // namespace almagest
