// Writes that come in while the optimizer rewrites the very segments that they touch.
#include <gtest/gtest.h>

#include "tests/engine/collection/collection_fixture.h"
#include "tests/engine/collection/naive_model.h"

namespace almagest {
namespace {

class RewriteTest : public CollectionTest {
 protected:
  void WriteBoth(const std::vector<WriteOperation>& operations) {
    const auto written = collection->Write(operations);
    ASSERT_TRUE(written) << written.error().message;
    ASSERT_TRUE(model.Apply(operations));
  }
  void UpsertBoth(uint64_t first, uint64_t count) {
    UpsertOperation upsert;
    for (uint64_t id = first; id < first + count; ++id) {
      upsert.points.push_back(RandomPoint(random, id));
      upsert.points.back().vectors["terms"] = RandomSparse(random, 30);
    }
    WriteBoth({upsert});
  }
  size_t FileCount() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(directory.path()),
                                             std::filesystem::directory_iterator()));
  }

  NaiveModel model;
};

TEST_F(RewriteTest, UpdatesAndDeletesDuringASealWin) {
  UpsertBoth(0, 40);
  int calls = 0;
  const auto worked = collection->OptimizeOnce([&](double) {
    const auto call = static_cast<uint64_t>(calls++);
    UpsertBoth(call % 40, 1);
    WriteBoth({DeletePointsOperation{std::vector<PointId>{(call * 7 + 1) % 40}},
               UpsertOperation{{RandomPoint(random, 100 + call)}, UpdateMode::kUpsert, {}}});
    return true;
  });
  ASSERT_TRUE(worked && *worked);
  EXPECT_GT(calls, 3);
  EXPECT_TRUE(collection->view()->segments.front()->sealed());
  ExpectSame(*collection, model, random);
  Reopen();
  ExpectSame(*collection, model, random);
}

TEST_F(RewriteTest, DeletedAndInsertedAgainDuringASeal) {
  UpsertBoth(0, 30);
  int calls = 0;
  ASSERT_TRUE(collection->OptimizeOnce([&](double) {
    if (++calls == 2) WriteBoth({DeletePointsOperation{std::vector<PointId>{uint64_t{3}}}});
    if (calls == 3) UpsertBoth(3, 1);
    return true;
  }));
  ASSERT_GE(calls, 3);
  ExpectSame(*collection, model, random);
  Reopen();
  ExpectSame(*collection, model, random);
}

TEST_F(RewriteTest, AnAbortedStepLeavesNoTrace) {
  UpsertBoth(0, 40);
  int total = 0;
  {
    int calls = 0;
    // Count the calls of a whole step on a twin, then stop at each of them.
    for (int stop_at = 1;; ++stop_at) {
      calls = 0;
      const auto worked = collection->OptimizeOnce([&](double) { return ++calls < stop_at; });
      ASSERT_TRUE(worked) << worked.error().message;
      ExpectSame(*collection, model, random);
      if (*worked) break;
      EXPECT_EQ(calls, stop_at);
      EXPECT_EQ(FileCount(), 0u);
      ++total;
      ASSERT_LT(stop_at, 100);
    }
  }
  EXPECT_GT(total, 3);
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(RewriteTest, ActivationAtAnyMomentOfARewrite) {
  bool reached = true;
  for (int at = 1; reached; ++at) {
    SCOPED_TRACE("activation at call " + std::to_string(at));
    ASSERT_LT(at, 100);
    collection.reset();
    store = std::make_unique<MemoryStore>();
    std::filesystem::remove_all(directory.path());
    model = NaiveModel();
    Reopen();
    UpsertBoth(0, 40);
    const auto version =
        collection->AddVersion("", {}, RandomAdapter(random, kTestDimension, true));
    ASSERT_TRUE(version);
    int calls = 0;
    ASSERT_TRUE(collection->OptimizeOnce([&](double) {
      if (++calls == at) {
        EXPECT_TRUE(collection->ActivateVersion("", *version));
        UpsertBoth(20, 5);
      }
      return true;
    }));
    reached = calls >= at;
    ExpectSame(*collection, model, random);
    OptimizeAll();
    EXPECT_EQ(collection->Reembedding("")->rows_done, 40u);
    ExpectSame(*collection, model, random);
    if (HasFailure()) return;
  }
}

TEST_F(RewriteTest, MergesDownToTheLimitAndRemovesOldFiles) {
  for (uint64_t batch = 0; batch < 8; ++batch) {
    UpsertBoth(batch * 25, 25);
    OptimizeAll();
    EXPECT_LE(FileCount(), config.optimizer.segments_max);
    ExpectSame(*collection, model, random);
  }
  EXPECT_EQ(collection->view()->segments.size(), FileCount());
  EXPECT_FALSE(collection->Info().optimizing);
  EXPECT_EQ(collection->Info().indexed_vectors, 200u);
}

TEST_F(RewriteTest, VacuumsAndDropsWhatIsAllDeleted) {
  UpsertBoth(0, 40);
  OptimizeAll();
  std::vector<PointId> half;
  for (uint64_t id = 0; id < 20; ++id) half.push_back(id);
  WriteBoth({DeletePointsOperation{half}});
  OptimizeAll();
  ASSERT_EQ(collection->view()->segments.size(), 1u);
  EXPECT_EQ(collection->view()->segments[0]->row_count(), 20u);
  WriteBoth({DeletePointsOperation{[] {
    std::vector<PointId> rest;
    for (uint64_t id = 20; id < 40; ++id) rest.push_back(id);
    return rest;
  }()}});
  OptimizeAll();
  EXPECT_TRUE(collection->view()->segments.empty());
  EXPECT_EQ(FileCount(), 0u);
  ExpectSame(*collection, model, random);
  Reopen();
  ExpectSame(*collection, model, random);
}

TEST_F(RewriteTest, AnOldViewStaysReadable) {
  UpsertBoth(0, 40);
  OptimizeAll();
  const auto old_view = collection->view();
  const auto field = old_view->segments[0]->dense(0);
  const DenseVector before(field->rows.Row(5), field->rows.Row(5) + kTestDimension);
  std::vector<PointId> half;
  for (uint64_t id = 0; id < 20; ++id) half.push_back(id);
  WriteBoth({DeletePointsOperation{half}});
  OptimizeAll();
  EXPECT_NE(collection->view()->segments[0], old_view->segments[0]);
  EXPECT_EQ(DenseVector(field->rows.Row(5), field->rows.Row(5) + kTestDimension), before);
}

}  // namespace
}  // namespace almagest
