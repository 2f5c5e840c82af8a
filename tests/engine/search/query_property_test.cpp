// Queries through segments of every kind against the naive twin, on seeded random data: growing
// and sealed segments, updates, deletes, filters, dense, sparse and fused.
#include <gtest/gtest.h>

#include <filesystem>

#include "engine/search/query_executor.h"
#include "storage/memory_store.h"
#include "tests/engine/search/naive_points.h"

namespace almagest {
namespace {

using testing::NaiveHit;
using testing::NaivePoint;
using testing::NaivePoints;

CollectionConfig Config(bool with_graph) {
  CollectionConfig config;
  config.dense["c"] = {8, Distance::kCosine, {}};
  config.dense["e"] = {5, Distance::kEuclid, {}};
  if (with_graph) {
    config.dense["c"].hnsw.full_scan_threshold_kb = 0;
    config.dense["e"].hnsw.full_scan_threshold_kb = 0;
  }
  config.sparse["s"] = {true};
  config.optimizer.seal_rows = 64;
  config.optimizer.segments_max = 3;
  config.payload_indexes["group"] = PayloadIndexType::kInteger;
  return config;
}

class QueryProperty : public ::testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    random_.seed(GetParam());
    directory_ = std::filesystem::temp_directory_path() /
                 ("almagest-query-" + std::to_string(::getpid()) + "-" +
                  std::to_string(GetParam()));
    std::filesystem::create_directories(directory_);
    auto opened = Collection::Open(1, "test", Config(GetParam() % 2 == 0), store_, directory_);
    ASSERT_TRUE(opened) << opened.error().message;
    collection_ = std::move(*opened);
  }
  void TearDown() override {
    collection_.reset();
    std::filesystem::remove_all(directory_);
  }

  void UpsertRandom(size_t count) {
    UpsertOperation upsert;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t id = random_() % 400;
      NaivePoint point;
      PointInput input;
      input.id = id;
      if (random_() % 10 != 0) {
        const DenseVector vector = testing::RandomVector(random_, 8);
        point.cosine = testing::Normalised(vector);
        input.vectors["c"] = vector;
      }
      if (random_() % 10 != 0) {
        point.euclid = testing::RandomVector(random_, 5);
        input.vectors["e"] = *point.euclid;
      }
      if (random_() % 5 != 0) {
        point.sparse = testing::RandomSparse(random_);
        input.vectors["s"] = *point.sparse;
      }
      point.group = static_cast<int64_t>(random_() % 4);
      input.payload = "{\"group\":" + std::to_string(point.group) + "}";
      naive_.points[PointId(id)] = point;
      upsert.points.push_back(std::move(input));
    }
    // A point that occurs twice in one request: the later one wins, as in the map above.
    Write(std::move(upsert));
  }
  void DeleteRandom(size_t count) {
    std::vector<PointId> ids;
    for (size_t i = 0; i < count; ++i) {
      ids.emplace_back(random_() % 400);
      naive_.points.erase(ids.back());
    }
    Write(DeletePointsOperation{ids});
  }
  void Write(WriteOperation operation) {
    const std::vector<WriteOperation> operations = {std::move(operation)};
    const auto written = collection_->Write(operations);
    ASSERT_TRUE(written) << written.error().message;
  }
  void Optimize(int steps) {
    for (int i = 0; i < steps; ++i) {
      const auto done = collection_->OptimizeOnce([](double) { return true; });
      ASSERT_TRUE(done) << done.error().message;
    }
  }

  // Same scores in the same order; ids may differ only among equal scores.
  void ExpectSame(const std::vector<Hit>& hits, const std::vector<NaiveHit>& expected,
                  size_t limit) {
    ASSERT_EQ(hits.size(), std::min(limit, expected.size()));
    std::map<PointId, double> score_of;
    for (const NaiveHit& hit : expected) score_of[hit.id] = hit.score;
    for (size_t i = 0; i < hits.size(); ++i) {
      ASSERT_NEAR(hits[i].score, expected[i].score, 1e-4) << "rank " << i;
      ASSERT_TRUE(score_of.contains(hits[i].id)) << PointIdToString(hits[i].id);
      ASSERT_NEAR(score_of[hits[i].id], hits[i].score, 1e-4);
    }
  }
  Result<std::vector<Hit>> Query(const std::string& field, VectorData vector, uint64_t limit,
                                 std::optional<int64_t> group, bool exact) {
    QueryRequest request;
    request.root.using_vector = field;
    request.root.limit = limit;
    request.root.params.exact = exact;
    NearestQuery nearest;
    if (auto* dense = std::get_if<DenseVector>(&vector)) nearest.target = *dense;
    if (auto* sparse = std::get_if<SparseVector>(&vector)) nearest.target = *sparse;
    request.root.query = nearest;
    if (group) {
      Filter filter;
      filter.must.push_back(FieldCondition{"group", Match{MatchValue{*group}}});
      request.root.filter = filter;
    }
    return ExecuteQuery(*collection_, request);
  }

  void CheckQueries(int count) {
    for (int i = 0; i < count; ++i) {
      const uint64_t limit = 1 + random_() % 40;
      const auto group = random_() % 2 == 0
                             ? std::optional<int64_t>(static_cast<int64_t>(random_() % 5))
                             : std::nullopt;
      const DenseVector c = testing::RandomVector(random_, 8);
      auto hits = Query("c", c, limit, group, true);
      ASSERT_TRUE(hits) << hits.error().message;
      ExpectSame(*hits, naive_.NearestCosine(c, group), limit);
      const DenseVector e = testing::RandomVector(random_, 5);
      hits = Query("e", e, limit, group, true);
      ASSERT_TRUE(hits) << hits.error().message;
      ExpectSame(*hits, naive_.NearestEuclid(e, group), limit);
      const SparseVector s = testing::RandomSparse(random_);
      hits = Query("s", s, limit, group, false);
      ASSERT_TRUE(hits) << hits.error().message;
      ExpectSame(*hits, naive_.NearestSparse(s, group), limit);
      // The planned (not exact) search: small segments, so it has to find all but a few.
      hits = Query("c", c, 10, group, false);
      ASSERT_TRUE(hits) << hits.error().message;
      const auto expected = naive_.NearestCosine(c, group);
      ASSERT_EQ(hits->size(), std::min<size_t>(10, expected.size()));
    }
    const auto total = Count(*collection_, std::nullopt, {});
    ASSERT_TRUE(total);
    EXPECT_EQ(*total, naive_.points.size());
  }

  std::mt19937_64 random_;
  std::filesystem::path directory_;
  MemoryStore store_;
  std::unique_ptr<Collection> collection_;
  NaivePoints naive_;
};

TEST_P(QueryProperty, EqualsTheNaiveTwin) {
  SCOPED_TRACE(::testing::Message() << "seed " << GetParam());
  for (int round = 0; round < 6; ++round) {
    ASSERT_NO_FATAL_FAILURE(UpsertRandom(30 + random_() % 60));
    ASSERT_NO_FATAL_FAILURE(DeleteRandom(random_() % 20));
    ASSERT_NO_FATAL_FAILURE(CheckQueries(3));
    ASSERT_NO_FATAL_FAILURE(Optimize(static_cast<int>(random_() % 4)));
    ASSERT_NO_FATAL_FAILURE(CheckQueries(3));
  }
  // After a reopen everything is derived again from the store.
  collection_.reset();
  auto opened = Collection::Open(1, "test", Config(GetParam() % 2 == 0), store_, directory_);
  ASSERT_TRUE(opened) << opened.error().message;
  collection_ = std::move(*opened);
  ASSERT_NO_FATAL_FAILURE(CheckQueries(5));
}

TEST_P(QueryProperty, ScrollVisitsEveryMatchOnceInIdOrder) {
  SCOPED_TRACE(::testing::Message() << "seed " << GetParam());
  UpsertRandom(200);
  Optimize(2);
  DeleteRandom(50);
  for (const bool filtered : {false, true}) {
    std::vector<PointId> expected;
    for (const auto& [id, point] : naive_.points) {
      if (!filtered || point.group == 1) expected.push_back(id);
    }
    ScrollRequest request;
    request.limit = 7;
    if (filtered) {
      request.filter.emplace();
      request.filter->must.push_back(
          FieldCondition{"group", Match{MatchValue{int64_t{1}}}});
    }
    std::vector<PointId> seen;
    while (true) {
      const auto page = Scroll(*collection_, request);
      ASSERT_TRUE(page) << page.error().message;
      for (const Hit& hit : page->points) seen.push_back(hit.id);
      if (!page->next) break;
      request.offset = page->next;
    }
    EXPECT_EQ(seen, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, QueryProperty, ::testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace almagest
