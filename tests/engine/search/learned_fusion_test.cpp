// Fusion by the weights that a version was learned with, and what stands in where there are none.
#include "engine/search/learned_fusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/collection/version_store.h"
#include "engine/search/query_executor.h"
#include "engine/search/query_trace.h"
#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kReport[] =
    R"({"fusion": {"k": 10, "weights": {"dense": 1.5, "text": 0.5}, "queries": 120}})";

class LearnedFusionTest : public CollectionTest {
 protected:
  void SetUp() override {
    CollectionTest::SetUp();
    std::vector<PointInput> points;
    for (uint64_t id = 0; id < 60; ++id) {
      points.push_back(RandomPoint(random, id));
      points.back().vectors["terms"] = RandomSparse(random, 6);
    }
    Upsert(std::move(points));
    Add(kReport, 1);
    Add("{}", 2);
    dense_ = RandomVector(random, kTestDimension);
  }
  void Add(const std::string& report, VersionId expected) {
    AdapterVersion version;
    version.report_json = report;
    ASSERT_EQ(collection->AddVersion("", version, RandomAdapter(random, kTestDimension, true)),
              expected);
  }
  QueryNode Leg(const std::string& name) const {
    QueryNode leg;
    leg.using_vector = name;
    leg.limit = 20;
    if (name == "terms") {
      leg.query = NearestQuery{SparseVector{{1, 2, 3, 4, 5, 6}, {1, 1, 1, 1, 1, 1}}};
    } else {
      leg.query = NearestQuery{name == "dot" ? DenseVector{1, 0, 0, 0} : dense_};
    }
    return leg;
  }
  QueryRequest Fused(const std::vector<std::string>& legs, FusionQuery fusion) const {
    QueryRequest request;
    for (const std::string& leg : legs) request.root.prefetch.push_back(Leg(leg));
    request.root.query = std::move(fusion);
    return request;
  }
  // Ids and scores; the reason of the root in `reason_`.
  std::vector<std::pair<PointId, float>> Ranked(QueryRequest request) {
    QueryTrace trace;
    request.trace = &trace;
    const auto hits = ExecuteQuery(*collection, request);
    std::vector<std::pair<PointId, float>> ranked;
    EXPECT_TRUE(hits) << (hits ? "" : hits.error().message);
    if (!hits) return ranked;
    for (const Hit& hit : *hits) ranked.emplace_back(hit.id, hit.score);
    reason_ = trace.legs.back().reason;
    return ranked;
  }
  std::string Refusal(const std::vector<std::string>& legs) {
    const auto hits = ExecuteQuery(*collection, Fused(legs, kLearned));
    EXPECT_FALSE(hits);
    return hits ? "" : hits.error().message;
  }

  const FusionQuery kLearned{FusionQuery::Kind::kLearned, 2, {}};
  DenseVector dense_;
  std::string reason_;
};

TEST_F(LearnedFusionTest, UsesTheWeightsOfTheActiveVersionInTheOrderOfThePrefetches) {
  ASSERT_TRUE(collection->ActivateVersion("", 1));
  const auto expected = Ranked(Fused({"", "terms"}, {FusionQuery::Kind::kRrf, 10, {1.5, 0.5}}));
  EXPECT_EQ(reason_, "");
  ASSERT_EQ(expected.size(), 10u);
  EXPECT_NE(expected, Ranked(Fused({"", "terms"}, {FusionQuery::Kind::kRrf, 10, {0.5, 1.5}})));
  EXPECT_EQ(Ranked(Fused({"", "terms"}, kLearned)), expected);
  EXPECT_EQ(reason_, "learned with version 1 of vector '': k 10, weights dense 1.5, text 0.5");
  EXPECT_EQ(Ranked(Fused({"terms", ""}, kLearned)), expected);
}

TEST_F(LearnedFusionTest, IsPlainRrfWhereTheVersionHasNoWeights) {
  const auto plain = Ranked(Fused({"", "terms"}, FusionQuery{}));
  EXPECT_EQ(Ranked(Fused({"", "terms"}, kLearned)), plain);
  EXPECT_THAT(reason_, StartsWith("plain rrf: version 0 of vector '' has no learned"));
  ASSERT_TRUE(collection->ActivateVersion("", 2));
  EXPECT_EQ(Ranked(Fused({"", "terms"}, kLearned)), Ranked(Fused({"", "terms"}, FusionQuery{})));
  Ranked(Fused({"", "terms"}, kLearned));
  EXPECT_THAT(reason_, StartsWith("plain rrf: version 2"));
  // Evaluation asks as another version.
  QueryRequest as_first = Fused({"", "terms"}, kLearned);
  as_first.as_version = 1;
  Ranked(as_first);
  EXPECT_THAT(reason_, StartsWith("learned with version 1"));
}

TEST_F(LearnedFusionTest, SurvivesAReopening) {
  ASSERT_TRUE(collection->ActivateVersion("", 1));
  const auto before = Ranked(Fused({"", "terms"}, kLearned));
  Reopen();
  EXPECT_EQ(Ranked(Fused({"", "terms"}, kLearned)), before);
  EXPECT_THAT(reason_, StartsWith("learned with version 1"));
}

TEST_F(LearnedFusionTest, RefusesOtherPrefetches) {
  EXPECT_THAT(Refusal({""}), HasSubstr("got 1"));
  EXPECT_THAT(Refusal({"", "terms", "dot"}), HasSubstr("got 3"));
  EXPECT_THAT(Refusal({"", "dot"}), HasSubstr("both search a dense vector"));
  EXPECT_THAT(Refusal({"terms", "terms"}), HasSubstr("both search a sparse vector"));
  QueryRequest request = Fused({"", "terms"}, kLearned);
  request.root.prefetch[1].query.reset();
  request.root.prefetch[1].using_vector.clear();
  const auto hits = ExecuteQuery(*collection, request);
  ASSERT_FALSE(hits);
  EXPECT_THAT(hits.error().message, HasSubstr("prefetch[1] searches no vector"));
}

TEST(LearnedFusionOf, TakesOnlyWhatCanBeUsed) {
  const auto fusion = LearnedFusionOf(kReport);
  ASSERT_TRUE(fusion);
  EXPECT_EQ(fusion->k, 10);
  EXPECT_EQ(fusion->dense, 1.5);
  EXPECT_EQ(fusion->text, 0.5);
  for (const char* report : {"", "{}", "[1]", R"({"fusion": null})", R"({"fusion": {"k": 10}})",
                             R"({"fusion": {"k": 0.5, "weights": {"dense": 1, "text": 1}}})",
                             R"({"fusion": {"k": 10, "weights": {"dense": -1, "text": 1}}})",
                             R"({"fusion": {"k": 10, "weights": {"dense": 0, "text": 0}}})",
                             R"({"fusion": {"k": "10", "weights": {"dense": 1, "text": 1}}})"}) {
    EXPECT_FALSE(LearnedFusionOf(report)) << report;
  }
}

}  // namespace
}  // namespace almagest
