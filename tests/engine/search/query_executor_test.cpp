// The query tree: prefetch, fusion, query by id, thresholds, offsets, refusals.
#include "engine/search/query_executor.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "storage/memory_store.h"

namespace almagest {
namespace {

class QueryExecutor : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() /
                 ("almagest-executor-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory_);
    CollectionConfig config;
    config.dense[""] = {2, Distance::kDot, {}};
    config.dense["far"] = {2, Distance::kEuclid, {}};
    config.sparse["s"] = {false};
    config.payload_indexes["n"] = PayloadIndexType::kInteger;
    auto opened = Collection::Open(1, "test", config, store_, directory_);
    ASSERT_TRUE(opened) << opened.error().message;
    collection_ = std::move(*opened);
    UpsertOperation upsert;
    for (uint64_t i = 0; i < 6; ++i) {
      PointInput point;
      point.id = i;
      const auto x = static_cast<float>(i);
      point.vectors[""] = DenseVector{x, 1};
      point.vectors["far"] = DenseVector{x, 0};
      point.vectors["s"] = SparseVector{{1, 2}, {x + 1, 1}};
      point.payload = "{\"n\":" + std::to_string(i % 3) + "}";
      upsert.points.push_back(std::move(point));
    }
    const std::vector<WriteOperation> operations = {upsert};
    ASSERT_TRUE(collection_->Write(operations));
  }
  void TearDown() override {
    collection_.reset();
    std::filesystem::remove_all(directory_);
  }

  static QueryNode Nearest(VectorInput target, std::string field = "", uint64_t limit = 10) {
    QueryNode node;
    node.query = NearestQuery{std::move(target)};
    node.using_vector = std::move(field);
    node.limit = limit;
    return node;
  }
  std::vector<uint64_t> Ids(const QueryRequest& request) {
    const auto hits = ExecuteQuery(*collection_, request);
    EXPECT_TRUE(hits) << (hits ? "" : hits.error().message);
    std::vector<uint64_t> ids;
    if (hits) {
      for (const Hit& hit : *hits) ids.push_back(std::get<uint64_t>(hit.id));
    }
    return ids;
  }
  ErrorCode CodeOf(const QueryRequest& request) {
    const auto hits = ExecuteQuery(*collection_, request);
    EXPECT_FALSE(hits);
    return hits ? ErrorCode::kInternal : hits.error().code;
  }

  std::filesystem::path directory_;
  MemoryStore store_;
  std::unique_ptr<Collection> collection_;
};

TEST_F(QueryExecutor, NearestByDotAndByDistance) {
  QueryRequest request;
  request.root = Nearest(DenseVector{1, 0}, "", 3);
  EXPECT_EQ(Ids(request), (std::vector<uint64_t>{5, 4, 3}));
  request.root = Nearest(DenseVector{2.2f, 0}, "far", 3);
  EXPECT_EQ(Ids(request), (std::vector<uint64_t>{2, 3, 1}));
  const auto hits = ExecuteQuery(*collection_, request);
  EXPECT_NEAR((*hits)[0].score, 0.2, 1e-5);
}

TEST_F(QueryExecutor, QueryByIdLeavesThePointOut) {
  QueryRequest request;
  request.root = Nearest(PointId(uint64_t{2}), "far", 2);
  EXPECT_EQ(Ids(request), (std::vector<uint64_t>{1, 3}));
  request.root = Nearest(PointId(uint64_t{77}), "far", 2);
  EXPECT_EQ(CodeOf(request), ErrorCode::kNotFound);
}

TEST_F(QueryExecutor, OffsetAndLimitOfAnySize) {
  QueryRequest request;
  request.root = Nearest(DenseVector{1, 0}, "", UINT64_MAX);
  request.offset = 4;
  EXPECT_EQ(Ids(request), (std::vector<uint64_t>{1, 0}));
  request.offset = UINT64_MAX;
  EXPECT_TRUE(Ids(request).empty());
}

TEST_F(QueryExecutor, ThresholdIsExclusiveOnVectorsInclusiveOnFusion) {
  QueryRequest request;
  request.root = Nearest(DenseVector{1, 0});
  request.root.score_threshold = 4;
  EXPECT_EQ(Ids(request), (std::vector<uint64_t>{5}));
  request.root = Nearest(DenseVector{0, 0}, "far");
  request.root.score_threshold = 1;
  EXPECT_EQ(Ids(request), (std::vector<uint64_t>{0}));
  QueryNode fusion;
  fusion.prefetch = {Nearest(DenseVector{1, 0}, "", 2)};
  fusion.query = FusionQuery{FusionQuery::Kind::kRrf, 2, {}};
  fusion.score_threshold = 0.5;
  request.root = fusion;
  EXPECT_EQ(Ids(request), (std::vector<uint64_t>{5}));
}

TEST_F(QueryExecutor, FusionMergesPrefetchesThatObeyTheRootFilter) {
  QueryNode fusion;
  fusion.prefetch = {Nearest(DenseVector{1, 0}, "", 3), Nearest(DenseVector{0, 0}, "far", 3)};
  fusion.query = FusionQuery{FusionQuery::Kind::kRrf, 60, {}};
  Filter filter;
  filter.must.push_back(FieldCondition{"n", Match{MatchValue{int64_t{0}}}});
  fusion.filter = filter;
  QueryRequest request;
  request.root = fusion;
  EXPECT_EQ(Ids(request), (std::vector<uint64_t>{0, 3}));
}

TEST_F(QueryExecutor, NearestOverPrefetchRescoresOnlyItsCandidates) {
  QueryNode node = Nearest(DenseVector{1, 0}, "", 10);
  node.prefetch = {Nearest(DenseVector{0, 0}, "far", 2)};
  QueryRequest request;
  request.root = node;
  EXPECT_EQ(Ids(request), (std::vector<uint64_t>{1, 0}));
}

TEST_F(QueryExecutor, OrderByAndPlainListing) {
  QueryRequest request;
  request.root.query = OrderByQuery{"n", true, std::nullopt};
  request.root.limit = 2;
  EXPECT_EQ(Ids(request).size(), 2u);
  for (const uint64_t id : Ids(request)) EXPECT_EQ(id % 3, 2u);
  request.root.query = OrderByQuery{"absent", false, std::nullopt};
  EXPECT_EQ(CodeOf(request), ErrorCode::kBadRequest);
  request.root.query.reset();
  request.root.limit = 4;
  EXPECT_EQ(Ids(request), (std::vector<uint64_t>{0, 1, 2, 3}));
}

TEST_F(QueryExecutor, SampleGivesDistinctPoints) {
  QueryRequest request;
  request.root.query = SampleQuery{};
  request.root.limit = 4;
  std::vector<uint64_t> ids = Ids(request);
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()) - ids.begin(), 4);
}

TEST_F(QueryExecutor, RefusesWhatMakesNoSense) {
  QueryRequest request;
  request.root = Nearest(DenseVector{1, 0, 0});
  EXPECT_EQ(CodeOf(request), ErrorCode::kInvalidArgument);
  request.root = Nearest(DenseVector{1, 0}, "absent");
  EXPECT_EQ(CodeOf(request), ErrorCode::kInvalidArgument);
  request.root = Nearest(DenseVector{1, 0}, "s");
  EXPECT_EQ(CodeOf(request), ErrorCode::kInvalidArgument);
  request.root = Nearest(SparseVector{{1}, {1}}, "");
  EXPECT_EQ(CodeOf(request), ErrorCode::kInvalidArgument);
  request.root = QueryNode();
  request.root.prefetch = {Nearest(DenseVector{1, 0})};
  EXPECT_EQ(CodeOf(request), ErrorCode::kBadRequest);
  request.root.query = FusionQuery{};
  request.root.using_vector = "far";
  EXPECT_EQ(CodeOf(request), ErrorCode::kBadRequest);
  request.root.using_vector.clear();
  request.root.query = FusionQuery{FusionQuery::Kind::kRrf, 2, {1.0, 2.0}};
  EXPECT_EQ(CodeOf(request), ErrorCode::kInvalidArgument);
  QueryNode deep = Nearest(DenseVector{1, 0});
  for (size_t i = 0; i < kQueryDepthMax + 1; ++i) {
    QueryNode outer = Nearest(DenseVector{1, 0});
    outer.prefetch = {deep};
    deep = outer;
  }
  request.root = deep;
  EXPECT_EQ(CodeOf(request), ErrorCode::kBadRequest);
}

TEST_F(QueryExecutor, AnExpiredDeadlineStopsTheQuery) {
  QueryRequest request;
  request.root = Nearest(DenseVector{1, 0});
  request.deadline.at = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_EQ(CodeOf(request), ErrorCode::kTimeout);
}

}  // namespace
}  // namespace almagest
