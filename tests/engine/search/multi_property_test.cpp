// Multi-vectors through segments of every kind against a naive twin, on seeded random data:
// upserts, vectors updated and deleted, points deleted, filters, prefetches, examples, reopening.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "engine/search/query_executor.h"
#include "storage/memory_store.h"
#include "tests/engine/search/naive_points.h"

namespace almagest {
namespace {

constexpr Distance kDistances[] = {Distance::kCosine, Distance::kEuclid, Distance::kDot,
                                   Distance::kManhattan};
constexpr size_t kDimension = 6;
using Rows = std::vector<DenseVector>;

struct TwinPoint {
  Rows rows;  // As stored; empty: the point has no such vector.
  DenseVector dense;
  int64_t group = 0;
};

class MultiProperty : public ::testing::TestWithParam<uint64_t> {
 protected:
  void SetUp() override {
    random_.seed(GetParam());
    distance_ = kDistances[GetParam() % 4];
    directory_ =
        std::filesystem::temp_directory_path() /
        ("almagest-multi-" + std::to_string(::getpid()) + "-" + std::to_string(GetParam()));
    std::filesystem::create_directories(directory_);
    Open();
  }
  void TearDown() override {
    collection_.reset();
    std::filesystem::remove_all(directory_);
  }
  void Open() {
    CollectionConfig config;
    config.dense["d"] = {3, Distance::kDot, {}};
    config.dense["m"].dimension = kDimension;
    config.dense["m"].distance = distance_;
    config.dense["m"].multi = true;
    config.dense["m"].hnsw.degree = 0;
    config.optimizer.seal_rows = 40;
    config.optimizer.segments_max = 3;
    collection_.reset();
    auto opened = Collection::Open(1, "test", config, store_, directory_);
    ASSERT_TRUE(opened) << opened.error().message;
    collection_ = std::move(*opened);
  }

  size_t Below(size_t n) { return random_() % n; }
  Rows RandomRows() {
    Rows rows(1 + Below(5));
    for (DenseVector& row : rows) row = testing::RandomVector(random_, kDimension);
    return rows;
  }
  static MultiVector Flat(const Rows& rows) {
    MultiVector flat;
    flat.dimension = kDimension;
    for (const DenseVector& row : rows) {
      flat.values.insert(flat.values.end(), row.begin(), row.end());
    }
    return flat;
  }
  Rows Stored(Rows rows) const {
    if (distance_ != Distance::kCosine) return rows;
    for (DenseVector& row : rows) row = testing::Normalised(row);
    return rows;
  }
  // One row is given as a plain vector now and then.
  VectorData Given(const Rows& rows) {
    if (rows.size() == 1 && Below(2) == 0) return rows[0];
    return Flat(rows);
  }

  void Write(WriteOperation operation) {
    const std::vector<WriteOperation> operations = {std::move(operation)};
    const auto written = collection_->Write(operations);
    ASSERT_TRUE(written) << written.error().message;
  }
  void Upsert() {
    UpsertOperation upsert;
    for (size_t i = 20 + Below(30); i > 0; --i) {
      const uint64_t id = Below(150);
      TwinPoint point;
      PointInput input;
      input.id = id;
      if (Below(8) != 0) {
        const Rows rows = RandomRows();
        point.rows = Stored(rows);
        input.vectors["m"] = Given(rows);
      }
      point.dense = testing::RandomVector(random_, 3);
      input.vectors["d"] = point.dense;
      point.group = static_cast<int64_t>(Below(3));
      input.payload = "{\"group\":" + std::to_string(point.group) + "}";
      twin_[id] = point;
      upsert.points.push_back(std::move(input));
    }
    Write(std::move(upsert));
  }
  void Change() {
    std::vector<PointId> gone, bare;
    UpdateVectorsOperation update;
    for (auto& [id, point] : twin_) {
      switch (Below(12)) {
        case 0:
          gone.emplace_back(id);
          break;
        case 1:
          bare.emplace_back(id);
          point.rows.clear();
          break;
        case 2: {
          const Rows rows = RandomRows();
          PointInput input;
          input.id = id;
          input.vectors["m"] = Given(rows);
          point.rows = Stored(rows);
          update.points.push_back(std::move(input));
          break;
        }
      }
    }
    for (const PointId& id : gone) twin_.erase(std::get<uint64_t>(id));
    Write(DeletePointsOperation{gone});
    Write(DeleteVectorsOperation{bare, {"m"}});
    Write(std::move(update));
  }

  double Similarity(const Rows& query, const Rows& document) const {
    double total = 0;
    for (const DenseVector& q : query) {
      double best = -INFINITY;
      for (const DenseVector& r : document) {
        double sum = 0;
        for (size_t i = 0; i < kDimension; ++i) {
          const double difference = double{q[i]} - r[i];
          sum += LargerIsNearer(distance_)        ? double{q[i]} * r[i]
                 : distance_ == Distance::kEuclid ? -difference * difference
                                                  : -std::abs(difference);
        }
        best = std::max(best, sum);
      }
      total += best;
    }
    return total;
  }
  double RestScoreOf(double similarity) const {
    if (LargerIsNearer(distance_)) return similarity;
    return distance_ == Distance::kEuclid ? std::sqrt(-similarity) : -similarity;
  }
  using Scores = std::vector<std::pair<double, uint64_t>>;  // Similarities, best first.
  template <class Score>
  Scores Rank(std::optional<int64_t> group, const Score& score) const {
    Scores scores;
    for (const auto& [id, point] : twin_) {
      if (point.rows.empty() || (group && point.group != *group)) continue;
      scores.emplace_back(score(point), id);
    }
    std::ranges::sort(scores, std::greater<>());
    return scores;
  }
  // The same scores in the same order; ids may differ among equal scores.
  template <class ToScore>
  void Expect(const QueryRequest& request, const Scores& expected, const ToScore& to_score) {
    const auto hits = ExecuteQuery(*collection_, request);
    ASSERT_TRUE(hits) << hits.error().message;
    ASSERT_EQ(hits->size(), std::min<size_t>(request.root.limit, expected.size()));
    std::map<uint64_t, double> by_id;
    for (const auto& [score, id] : expected) by_id[id] = score;
    for (size_t i = 0; i < hits->size(); ++i) {
      const auto& hit = (*hits)[i];
      EXPECT_NEAR(hit.score, to_score(expected[i].first), 1e-3) << "rank " << i;
      EXPECT_NEAR(hit.score, to_score(by_id.at(std::get<uint64_t>(hit.id))), 1e-3);
    }
  }
  static void FilterBy(QueryNode& node, std::optional<int64_t> group) {
    if (!group) return;
    node.filter.emplace().must.push_back(FieldCondition{"group", Match{MatchValue{*group}}});
  }

  void CheckQueries() {
    const auto group =
        Below(2) == 0 ? std::optional<int64_t>(static_cast<int64_t>(Below(3))) : std::nullopt;
    const auto rest = [&](double similarity) { return RestScoreOf(similarity); };
    const auto plain = [](double score) { return score; };
    QueryRequest request;
    request.root.using_vector = "m";
    request.root.limit = 1 + Below(40);
    FilterBy(request.root, group);
    const Rows query = RandomRows();
    request.root.query = NearestQuery{Flat(query)};
    const Rows asked = Stored(query);
    const Scores nearest =
        Rank(group, [&](const TwinPoint& point) { return Similarity(asked, point.rows); });
    Expect(request, nearest, rest);

    // What a cheap search finds, scored again.
    QueryRequest rescored = request;
    const DenseVector dense = testing::RandomVector(random_, 3);
    QueryNode prefetch;
    prefetch.using_vector = "d";
    prefetch.query = NearestQuery{dense};
    prefetch.limit = 1 + Below(30);
    FilterBy(prefetch, group);
    rescored.root.prefetch = {prefetch};
    rescored.root.filter.reset();
    std::vector<std::pair<double, uint64_t>> first;
    for (const auto& [id, point] : twin_) {
      if (group && point.group != *group) continue;
      double dot = 0;
      for (size_t i = 0; i < 3; ++i) dot += double{dense[i]} * point.dense[i];
      first.emplace_back(dot, id);
    }
    std::ranges::sort(first, std::greater<>());
    if (first.size() > prefetch.limit) first.resize(prefetch.limit);
    Scores again = nearest;
    std::erase_if(again, [&](const auto& entry) {
      return std::ranges::none_of(first,
                                  [&](const auto& found) { return found.second == entry.second; });
    });
    Expect(rescored, again, rest);

    // By example: the similarities to both, as the formulas of engine/query.h combine them.
    const Rows liked = RandomRows(), disliked = RandomRows();
    RecommendQuery recommend;
    recommend.positive = {Flat(liked)};
    recommend.negative = {Flat(disliked)};
    recommend.strategy = RecommendQuery::Strategy::kSumScores;
    request.root.query = recommend;
    const Rows good = Stored(liked), bad = Stored(disliked);
    Expect(request,
           Rank(group,
                [&](const TwinPoint& point) {
                  return Similarity(good, point.rows) - Similarity(bad, point.rows);
                }),
           plain);
    recommend.strategy = RecommendQuery::Strategy::kAverageVector;
    request.root.query = recommend;
    Rows joined = liked;
    for (DenseVector row : disliked) {
      for (float& value : row) value = -value;
      joined.push_back(row);
    }
    const Rows averaged = Stored(joined);
    Expect(request,
           Rank(group, [&](const TwinPoint& point) { return Similarity(averaged, point.rows); }),
           rest);
  }

  void CheckStored() {
    for (const auto& [id, point] : twin_) {
      const auto vectors =
          collection_->Vectors(collection_->FindSlot(id), {VectorSelector::Kind::kNames, {"m"}});
      ASSERT_TRUE(vectors);
      ASSERT_EQ(vectors->contains("m"), !point.rows.empty()) << id;
      if (point.rows.empty()) continue;
      const auto& stored = std::get<MultiVector>(vectors->at("m"));
      const MultiVector expected = Flat(point.rows);
      ASSERT_EQ(stored.dimension, kDimension);
      ASSERT_EQ(stored.values.size(), expected.values.size());
      for (size_t i = 0; i < stored.values.size(); ++i) {
        ASSERT_NEAR(stored.values[i], expected.values[i], 1e-6);
      }
    }
  }
  void Optimize(size_t steps) {
    for (size_t i = 0; i < steps; ++i) {
      const auto done = collection_->OptimizeOnce([](double) { return true; });
      ASSERT_TRUE(done) << done.error().message;
    }
  }

  std::mt19937_64 random_;
  Distance distance_ = Distance::kCosine;
  std::filesystem::path directory_;
  MemoryStore store_;
  std::unique_ptr<Collection> collection_;
  std::map<uint64_t, TwinPoint> twin_;
};

TEST_P(MultiProperty, EqualsTheNaiveTwin) {
  SCOPED_TRACE(::testing::Message() << "seed " << GetParam());
  for (int round = 0; round < 6; ++round) {
    ASSERT_NO_FATAL_FAILURE(Upsert());
    ASSERT_NO_FATAL_FAILURE(Optimize(Below(3)));
    ASSERT_NO_FATAL_FAILURE(Change());
    ASSERT_NO_FATAL_FAILURE(CheckQueries());
    ASSERT_NO_FATAL_FAILURE(Optimize(Below(4)));
    ASSERT_NO_FATAL_FAILURE(CheckQueries());
  }
  // What storage and the segment files say is what there was, also when a file is lost.
  collection_.reset();
  if (GetParam() % 2 == 0) {
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      if (!entry.path().filename().string().starts_with("segment-")) continue;
      std::filesystem::remove(entry.path());
      break;
    }
  }
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_NO_FATAL_FAILURE(CheckStored());
  for (int i = 0; i < 4; ++i) ASSERT_NO_FATAL_FAILURE(CheckQueries());
}

INSTANTIATE_TEST_SUITE_P(Seeds, MultiProperty, ::testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace almagest
