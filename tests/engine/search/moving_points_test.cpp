// Points that are written again and again while searches run: each must be found by each search,
// also by one that began before the segment was started which the point moved to.
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "engine/search/query_executor.h"
#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

constexpr uint64_t kWrites = 19200;  // Of points.

// The smallest growing segment takes 64 points: with as many each round starts one, with fewer most
// points move within one.
class MovingPoints : public CollectionTest, public testing::WithParamInterface<uint64_t> {
 protected:
  void MoveAll() {
    std::vector<PointInput> points;
    for (uint64_t id = 0; id < GetParam(); ++id) points.push_back(RandomPoint(random, id));
    Upsert(std::move(points));
  }
};
INSTANTIATE_TEST_SUITE_P(Points, MovingPoints, testing::Values(64, 5));

TEST_P(MovingPoints, AreFoundByEverySearch) {
  const uint64_t points_expected = GetParam();
  MoveAll();
  std::atomic<bool> done{false};
  std::atomic<uint64_t> searches{0};
  std::thread searcher([&] {
    std::mt19937 mine{11};
    while (!done || searches < 10) {
      QueryRequest request;
      request.root.query = NearestQuery{RandomVector(mine, kTestDimension)};
      request.root.limit = points_expected;
      request.root.params.exact = true;
      const auto hits = ExecuteQuery(*collection, request);
      ASSERT_TRUE(hits) << hits.error().message;
      std::set<PointId> found;
      for (const Hit& hit : *hits) found.insert(hit.id);
      EXPECT_EQ(found.size(), points_expected);
      EXPECT_EQ(hits->size(), points_expected) << "a point was found twice";
      ++searches;
    }
  });
  for (uint64_t round = 0; round < kWrites / points_expected; ++round) {
    MoveAll();
    if (round % 4 == 3 && points_expected == 64) OptimizeAll();
  }
  done = true;
  searcher.join();
}

}  // namespace
}  // namespace almagest
