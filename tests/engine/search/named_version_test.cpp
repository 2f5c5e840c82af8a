// Searches that name the adapter version they go through, compared with mapping by hand and scoring
// every point; and a thousand versions, as a thousand tenants have them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <set>
#include <thread>

#include "engine/collection/version_store.h"
#include "engine/search/query_executor.h"
#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

using ::testing::HasSubstr;

constexpr double kScoreError = 5e-4;

// y = W x + b in double.
std::vector<double> MappedByHand(const std::shared_ptr<const LinearMap>& map,
                                 const std::vector<double>& x) {
  if (map == nullptr) return x;
  std::vector<double> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = map->bias().empty() ? 0 : double{map->bias()[i]};
    for (size_t j = 0; j < x.size(); ++j) y[i] += double{map->weights()[i * x.size() + j]} * x[j];
  }
  return y;
}

std::vector<double> UnitByHand(std::vector<double> x) {
  double square = 0;
  for (const double value : x) square += value * value;
  for (double& value : x) value /= std::sqrt(square);
  return x;
}

class NamedVersionTest : public CollectionTest {
 protected:
  // Versions are numbered from 1; 0 is the identity. Of three one maps queries through an mlp as
  // well and one through a mixture, with and without a document map.
  void AddVersions(int count) {
    if (maps_.empty()) maps_.emplace_back();
    for (int i = 0; i < count; ++i) {
      ResidualTensors residual;
      if (maps_.size() % 3 == 1) residual = RandomResidual(random, kTestDimension, 6, 0);
      if (maps_.size() % 3 == 2) residual = RandomResidual(random, kTestDimension, 6, 3);
      const std::string adapter =
          RandomAdapter(random, kTestDimension, maps_.size() % 2 == 0, residual);
      AdapterVersion parsed;
      ASSERT_TRUE(ParseAdapter(adapter, kTestDimension, &parsed));
      const auto id = collection->AddVersion("", {}, adapter);
      ASSERT_TRUE(id) << id.error().message;
      ASSERT_EQ(*id, maps_.size());
      maps_.push_back(*parsed.maps);
    }
  }
  void AddPoints(uint64_t count) {
    std::vector<PointInput> added;
    for (uint64_t i = 0; i < count; ++i) {
      PointInput point = RandomPoint(random, points_.size());
      point.payload = points_.size() % 3 == 0 ? R"({"color":"red"})" : R"({"color":"blue"})";
      points_.push_back(std::get<DenseVector>(point.vectors.at("")));
      added.push_back(std::move(point));
    }
    Upsert(std::move(added));
  }

  // Of every point, by the definition.
  std::map<PointId, double> ScoresByHand(VersionId version, const DenseVector& query,
                                         bool red_only) const {
    const AdapterMaps& maps = maps_.at(version);
    const auto unit = [](const DenseVector& v) { return UnitByHand({v.begin(), v.end()}); };
    std::vector<double> mapped = MappedByHand(maps.query, unit(query));
    if (maps.query_residual) {
      const auto added = ResidualByHand(maps.query_residual->tensors(), unit(query));
      for (size_t i = 0; i < mapped.size(); ++i) mapped[i] += added[i];
    }
    mapped = UnitByHand(mapped);
    std::map<PointId, double> scores;
    for (uint64_t id = 0; id < points_.size(); ++id) {
      if (red_only && id % 3 != 0) continue;
      const auto row = UnitByHand(MappedByHand(maps.document, unit(points_[id])));
      double& score = scores[id];
      for (size_t i = 0; i < row.size(); ++i) score += mapped[i] * row[i];
    }
    return scores;
  }
  static QueryNode Nearest(VersionId version, const DenseVector& query, bool red_only) {
    QueryNode node;
    node.query = NearestQuery{query};
    node.params.adapter_version = version;
    node.params.exact = true;
    node.limit = 7;
    if (red_only) {
      node.filter.emplace().must.push_back(
          FieldCondition{"color", Match{MatchValue{std::string("red")}}});
    }
    return node;
  }
  // The best points with their scores, as many as there should be.
  static void ExpectBest(const std::vector<Hit>& hits, const std::map<PointId, double>& by_hand,
                         size_t limit) {
    std::vector<double> best;
    for (const auto& [id, score] : by_hand) best.push_back(score);
    std::ranges::sort(best, std::greater<>());
    ASSERT_EQ(hits.size(), std::min(limit, best.size()));
    for (size_t i = 0; i < hits.size(); ++i) {
      EXPECT_NEAR(hits[i].score, best[i], kScoreError) << "place " << i;
      const auto own = by_hand.find(hits[i].id);
      ASSERT_NE(own, by_hand.end());
      EXPECT_NEAR(hits[i].score, own->second, kScoreError) << "place " << i;
    }
  }
  void ExpectSearch(VersionId version, bool red_only) {
    const DenseVector query = RandomVector(random, kTestDimension);
    QueryRequest request;
    request.root = Nearest(version, query, red_only);
    const auto by_hand = ScoresByHand(version, query, red_only);
    const auto hits = ExecuteQuery(*collection, request);
    ASSERT_TRUE(hits) << hits.error().message;
    ExpectBest(*hits, by_hand, 7);
    request.root.score_threshold = -2;  // Not the plain query any more.
    ExpectBest(*ExecuteQuery(*collection, request), by_hand, 7);
    // The sum over one example is its similarity; one good example is the nearest query.
    request.root.query = RecommendQuery{{query}, {}, RecommendQuery::Strategy::kSumScores};
    ExpectBest(*ExecuteQuery(*collection, request), by_hand, 7);
    request.root.query = RecommendQuery{{query}, {}, RecommendQuery::Strategy::kAverageVector};
    ExpectBest(*ExecuteQuery(*collection, request), by_hand, 7);
  }
  Error ErrorOf(QueryNode node) {
    QueryRequest request;
    request.root = std::move(node);
    const auto hits = ExecuteQuery(*collection, request);
    EXPECT_FALSE(hits);
    return hits ? Error() : hits.error();
  }

  std::vector<AdapterMaps> maps_;
  std::vector<DenseVector> points_;
};

TEST_F(NamedVersionTest, SearchesAreThoseOfTheDefinitionWhateverVersionStoredTheRows) {
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    TearDown();
    collection.reset();
    store = std::make_unique<MemoryStore>();
    std::filesystem::remove_all(directory.path());
    maps_.clear();
    points_.clear();
    random.seed(seed);
    Reopen();
    AddVersions(5);
    AddPoints(25);
    OptimizeAll();
    collection->PauseReembedding(true);
    for (const VersionId stored : {2, 4, 3}) {
      ASSERT_TRUE(collection->ActivateVersion("", stored));
      AddPoints(25);
      OptimizeAll();
    }
    AddPoints(5);
    for (VersionId version = 0; version <= 5; ++version) {
      SCOPED_TRACE("as version " + std::to_string(version));
      ExpectSearch(version, false);
      ExpectSearch(version, true);
    }
    Reopen();
    for (VersionId version = 0; version <= 5; ++version) ExpectSearch(version, true);
    collection->PauseReembedding(false);
    OptimizeAll();
    for (VersionId version = 0; version <= 5; ++version) ExpectSearch(version, false);
  }
}

TEST_F(NamedVersionTest, EachPrefetchHasItsOwnAndNoneMeansTheActiveOne) {
  AddVersions(4);
  AddPoints(40);
  OptimizeAll();
  ASSERT_TRUE(collection->ActivateVersion("", 2));
  const DenseVector query = RandomVector(random, kTestDimension);
  QueryRequest request;
  request.root.prefetch = {Nearest(1, query, false), Nearest(4, query, true)};
  request.root.query = FusionQuery{FusionQuery::Kind::kRrf, 60, {}};
  request.root.limit = 40;
  // Rank by rank what the two searches give by themselves.
  std::map<PointId, double> expected;
  for (const QueryNode& leg : request.root.prefetch) {
    QueryRequest alone;
    alone.root = leg;
    const auto hits = ExecuteQuery(*collection, alone);
    ASSERT_TRUE(hits) << hits.error().message;
    for (size_t i = 0; i < hits->size(); ++i) {
      expected[(*hits)[i].id] += 1 / (60.0 + static_cast<double>(i));
    }
  }
  const auto fused = ExecuteQuery(*collection, request);
  ASSERT_TRUE(fused) << fused.error().message;
  ASSERT_EQ(fused->size(), expected.size());
  for (const Hit& hit : *fused) EXPECT_NEAR(hit.score, expected.at(hit.id), 1e-6);
  // The prefetch of one version, ranked by another.
  request.root.query = NearestQuery{query};
  request.root.params.adapter_version = 3;
  request.root.prefetch = {Nearest(1, query, true)};
  auto by_hand = ScoresByHand(3, query, true);
  QueryRequest alone;
  alone.root = request.root.prefetch[0];
  std::set<PointId> found;
  const auto chosen = ExecuteQuery(*collection, alone);
  ASSERT_TRUE(chosen) << chosen.error().message;
  for (const Hit& hit : *chosen) found.insert(hit.id);
  std::erase_if(by_hand, [&](const auto& entry) { return !found.contains(entry.first); });
  ExpectBest(*ExecuteQuery(*collection, request), by_hand, 7);
  // What names no version goes through the active one, also while others are asked for.
  request.root = Nearest(0, query, false);
  request.root.params.adapter_version.reset();
  ExpectBest(*ExecuteQuery(*collection, request), ScoresByHand(2, query, false), 7);
  request.as_version = 1;  // An evaluation's, where the node names none,
  ExpectBest(*ExecuteQuery(*collection, request), ScoresByHand(1, query, false), 7);
  request.root.params.adapter_version = 4;  // and here it does.
  ExpectBest(*ExecuteQuery(*collection, request), ScoresByHand(4, query, false), 7);
  // MMR compares the results with each other in the same space; without diversity it is the order.
  request.root.query = NearestQuery{query, Diversification{0, std::nullopt}};
  ExpectBest(*ExecuteQuery(*collection, request), ScoresByHand(4, query, false), 7);
}

TEST_F(NamedVersionTest, WhatCannotBeSearchedByIsNamed) {
  AddVersions(1);
  AddPoints(5);
  AdapterVersion rejected;
  rejected.status = VersionStatus::kRejected;
  ASSERT_EQ(collection->AddVersion("", rejected, RandomAdapter(random, kTestDimension, true)), 2u);
  const DenseVector query = RandomVector(random, kTestDimension);
  Error error = ErrorOf(Nearest(7, query, false));
  EXPECT_EQ(error.code, ErrorCode::kNotFound);
  EXPECT_EQ(error.message,
            "params.adapter_version is 7, but vector '' has no such version; it has 0, 1, 2");
  error = ErrorOf(Nearest(2, query, false));
  EXPECT_EQ(error.code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(error.message, HasSubstr("rejected"));
  ASSERT_TRUE(collection->ActivateVersion("", 2, /*force=*/true));
  ASSERT_TRUE(collection->ActivateVersion("", 0));
  QueryRequest admitted;
  admitted.root = Nearest(2, query, false);
  EXPECT_TRUE(ExecuteQuery(*collection, admitted));

  QueryNode sparse = Nearest(0, query, false);
  sparse.query = NearestQuery{SparseVector{{1}, {1}}};
  sparse.using_vector = "terms";
  error = ErrorOf(sparse);
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("vector 'terms' has no adapter versions"));
  QueryNode fusion;
  fusion.prefetch = {Nearest(1, query, false), Nearest(9, query, false)};
  fusion.query = FusionQuery{};
  error = ErrorOf(fusion);
  EXPECT_EQ(error.code, ErrorCode::kNotFound);
  EXPECT_THAT(error.message, HasSubstr("prefetch[1].params.adapter_version is 9"));
  fusion.prefetch.pop_back();
  fusion.params.adapter_version = 1;
  error = ErrorOf(fusion);
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("compares no vector"));
  QueryNode euclid = Nearest(0, {1, 2, 3}, false);
  euclid.using_vector = "euclid";
  QueryRequest base;
  base.root = euclid;
  EXPECT_TRUE(ExecuteQuery(*collection, base)) << "version 0 is every dense vector's";
}

TEST_F(NamedVersionTest, AThousandVersionsAnswerWhileOthersAreActivated) {
  constexpr VersionId kTenants = 1'000;
  AddVersions(kTenants);
  AddPoints(60);
  OptimizeAll();
  EXPECT_THAT(ErrorOf(Nearest(2'000, points_[0], false)).message,
              HasSubstr("it has 1001, from 0 to 1000"));
  std::atomic<bool> done{false};
  std::atomic<uint64_t> searches{0};
  std::atomic<uint64_t> failed{0};
  std::vector<std::thread> searchers;
  for (uint32_t seed = 1; seed <= 2; ++seed) {
    searchers.emplace_back([&, seed] {
      std::mt19937 mine{seed};
      while (!done || searches < 300) {
        const VersionId version = mine() % (kTenants + 1);
        const DenseVector query = RandomVector(mine, kTestDimension);
        QueryRequest request;
        request.root = Nearest(version, query, mine() % 2 == 0);
        const auto hits = ExecuteQuery(*collection, request);
        ++searches;
        if (!hits) {
          ++failed;
          ADD_FAILURE() << "version " << version << ": " << hits.error().message;
          return;
        }
        SCOPED_TRACE("seed " + std::to_string(seed) + ", version " + std::to_string(version));
        ExpectBest(*hits, ScoresByHand(version, query, request.root.filter.has_value()), 7);
      }
    });
  }
  for (int swap = 0; swap < 24; ++swap) {
    const VersionId version = random() % (kTenants + 1);
    EXPECT_TRUE(collection->ActivateVersion("", version));
    if (swap % 4 == 0) {  // Re-embedding, in which most of the time goes.
      EXPECT_TRUE(collection->OptimizeOnce([](double) { return true; }));
    }
  }
  done = true;
  for (std::thread& searcher : searchers) searcher.join();
  EXPECT_EQ(failed, 0u);
  EXPECT_GE(searches, 300u);
}

}  // namespace
}  // namespace almagest
