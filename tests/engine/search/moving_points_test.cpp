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

constexpr uint64_t kPoints = 64;  // As many as the smallest growing segment takes.
constexpr int kRounds = 300;

class MovingPoints : public CollectionTest {
 protected:
  void MoveAll() {
    std::vector<PointInput> points;
    for (uint64_t id = 0; id < kPoints; ++id) points.push_back(RandomPoint(random, id));
    Upsert(std::move(points));
  }
};

TEST_F(MovingPoints, AreFoundByEverySearch) {
  MoveAll();
  std::atomic<bool> done{false};
  std::atomic<uint64_t> searches{0};
  std::thread searcher([&] {
    std::mt19937 mine{11};
    while (!done || searches < 10) {
      QueryRequest request;
      request.root.query = NearestQuery{RandomVector(mine, kTestDimension)};
      request.root.limit = kPoints;
      request.root.params.exact = true;
      const auto hits = ExecuteQuery(*collection, request);
      ASSERT_TRUE(hits) << hits.error().message;
      std::set<PointId> found;
      for (const Hit& hit : *hits) found.insert(hit.id);
      EXPECT_EQ(found.size(), kPoints);
      EXPECT_EQ(hits->size(), kPoints) << "a point was found twice";
      ++searches;
    }
  });
  for (int round = 0; round < kRounds; ++round) {
    MoveAll();  // Every round starts a growing segment.
    if (round % 4 == 3) OptimizeAll();
  }
  done = true;
  searcher.join();
}

}  // namespace
}  // namespace almagest
