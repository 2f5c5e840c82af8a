// Queries by example and MMR against a naive twin in double, on seeded random points in growing
// and sealed segments.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <random>

#include "engine/search/query_executor.h"
#include "storage/memory_store.h"
#include "tests/engine/collection/collection_fixture.h"
#include "tests/engine/search/naive_points.h"

namespace almagest {
namespace {

using Strategy = RecommendQuery::Strategy;
using Scores = std::map<uint64_t, double>;

double Squash(double x) { return x / (1 + std::abs(x)); }
double Scaled(double x) { return 0.5 * (Squash(x) + 1); }

class ExampleQuery : public ::testing::TestWithParam<uint64_t> {
 protected:
  static constexpr size_t kDimension = 6;

  void SetUp() override {
    random_.seed(GetParam());
    distance_ = static_cast<Distance>(GetParam() % 4);
    directory_ =
        std::filesystem::temp_directory_path() /
        ("almagest-example-" + std::to_string(::getpid()) + "-" + std::to_string(GetParam()));
    std::filesystem::create_directories(directory_);
    CollectionConfig config;
    config.dense["v"] = {kDimension, distance_, {}};
    config.dense["v"].hnsw.full_scan_threshold_kb = 0;
    config.sparse["s"] = {false};
    config.optimizer.seal_rows = 50;
    auto opened = Collection::Open(1, "test", config, store_, directory_);
    ASSERT_TRUE(opened) << opened.error().message;
    collection_ = std::move(*opened);
    for (int round = 0; round < 3; ++round) {
      UpsertOperation upsert;
      for (int i = 0; i < 60; ++i) {
        PointInput point;
        const uint64_t id = random_() % 120;
        point.id = id;
        const DenseVector vector = testing::RandomVector(random_, kDimension);
        vectors_.erase(id);
        sparse_.erase(id);
        if (random_() % 8 != 0) {
          point.vectors["v"] = vector;
          vectors_[id] = distance_ == Distance::kCosine ? testing::Normalised(vector) : vector;
        }
        if (random_() % 3 != 0) {
          sparse_[id] = testing::RandomSparse(random_);
          point.vectors["s"] = sparse_[id];
        }
        point.payload = "{\"even\":" + std::string(id % 2 == 0 ? "1" : "0") + "}";
        upsert.points.push_back(std::move(point));
      }
      const std::vector<WriteOperation> operations = {upsert};
      ASSERT_TRUE(collection_->Write(operations));
      while (*collection_->OptimizeOnce([](double) { return true; })) {
      }
    }
  }
  void TearDown() override {
    collection_.reset();
    std::filesystem::remove_all(directory_);
  }

  double Similarity(const DenseVector& query, const DenseVector& row) const {
    double sum = 0;
    const DenseVector unit = distance_ == Distance::kCosine ? testing::Normalised(query) : query;
    for (size_t i = 0; i < kDimension; ++i) {
      const double difference = double{unit[i]} - row[i];
      switch (distance_) {
        case Distance::kCosine:
        case Distance::kDot:
          sum += double{unit[i]} * row[i];
          break;
        case Distance::kEuclid:
          sum -= difference * difference;
          break;
        case Distance::kManhattan:
          sum -= std::abs(difference);
          break;
      }
    }
    return sum;
  }
  static double SparseSimilarity(const SparseVector& a, const SparseVector& b) {
    double sum = 0;
    for (size_t i = 0; i < a.indices.size(); ++i) {
      for (size_t j = 0; j < b.indices.size(); ++j) {
        if (a.indices[i] == b.indices[j]) sum += double{a.values[i]} * b.values[j];
      }
    }
    return sum;
  }

  // An example: a new vector or a stored point, with its vector.
  struct Example {
    VectorInput input;
    DenseVector vector;
  };
  Example RandomExample() {
    if (random_() % 2) {
      const DenseVector vector = testing::RandomVector(random_, kDimension);
      return {vector, vector};
    }
    auto point = vectors_.begin();
    std::advance(point, static_cast<ptrdiff_t>(random_() % vectors_.size()));
    named_.push_back(point->first);
    return {PointId(point->first), point->second};
  }
  std::vector<Example> RandomExamples(size_t count) {
    std::vector<Example> examples;
    for (size_t i = 0; i < count; ++i) examples.push_back(RandomExample());
    return examples;
  }
  static std::vector<VectorInput> Inputs(const std::vector<Example>& examples) {
    std::vector<VectorInput> inputs;
    for (const Example& example : examples) inputs.push_back(example.input);
    return inputs;
  }

  // Runs the query over all points and compares every score.
  void Expect(QueryKind kind, const std::function<double(const DenseVector&)>& score,
              bool larger_first = true) {
    Scores expected;
    for (const auto& [id, vector] : vectors_) {
      if (id % 2 == 0 && std::ranges::find(named_, id) == named_.end())
        expected[id] = score(vector);
    }
    QueryRequest request;
    request.root.query = std::move(kind);
    request.root.using_vector = "v";
    request.root.limit = 1000;
    Filter even;
    even.must.push_back(FieldCondition{"even", Match{MatchValue{int64_t{1}}}});
    request.root.filter = even;
    Compare(request, expected, larger_first);
    named_.clear();
  }
  void Compare(const QueryRequest& request, const Scores& expected, bool larger_first) {
    const auto hits = ExecuteQuery(*collection_, request);
    ASSERT_TRUE(hits) << hits.error().message;
    EXPECT_EQ(hits->size(), expected.size());
    for (size_t i = 0; i < hits->size(); ++i) {
      const uint64_t id = std::get<uint64_t>((*hits)[i].id);
      ASSERT_TRUE(expected.contains(id)) << id;
      EXPECT_NEAR((*hits)[i].score, expected.at(id), 1e-4 * (1 + std::abs(expected.at(id))));
      if (i == 0) continue;
      EXPECT_TRUE(larger_first ? (*hits)[i - 1].score >= (*hits)[i].score
                               : (*hits)[i - 1].score <= (*hits)[i].score);
    }
  }

  std::mt19937_64 random_;
  Distance distance_ = Distance::kDot;
  std::filesystem::path directory_;
  MemoryStore store_;
  std::unique_ptr<Collection> collection_;
  std::map<uint64_t, DenseVector> vectors_;
  std::map<uint64_t, SparseVector> sparse_;
  std::vector<uint64_t> named_;
};

TEST_P(ExampleQuery, Recommend) {
  SCOPED_TRACE(GetParam());
  for (const Strategy strategy :
       {Strategy::kAverageVector, Strategy::kBestScore, Strategy::kSumScores}) {
    const bool average = strategy == Strategy::kAverageVector;
    const auto positive = RandomExamples(average ? 1 + random_() % 3 : random_() % 3);
    const auto negative = RandomExamples(positive.empty() ? 1 : random_() % 3);
    const auto score = [&](const DenseVector& row) {
      if (average) {
        DenseVector target(kDimension);
        for (size_t i = 0; i < kDimension; ++i) {
          double liked = 0, disliked = 0;
          for (const Example& example : positive) liked += example.vector[i];
          for (const Example& example : negative) disliked += example.vector[i];
          liked /= static_cast<double>(positive.size());
          if (!negative.empty()) liked += liked - disliked / static_cast<double>(negative.size());
          target[i] = static_cast<float>(liked);
        }
        const double similarity = Similarity(target, row);
        if (distance_ == Distance::kEuclid) return std::sqrt(-similarity);
        return distance_ == Distance::kManhattan ? -similarity : similarity;
      }
      double best = -INFINITY, worst = -INFINITY, sum = 0;
      for (const Example& example : positive) {
        best = std::max(best, Similarity(example.vector, row));
        sum += Similarity(example.vector, row);
      }
      for (const Example& example : negative) {
        worst = std::max(worst, Similarity(example.vector, row));
        sum -= Similarity(example.vector, row);
      }
      if (strategy == Strategy::kSumScores) return sum;
      return best > worst ? Scaled(best) : -Scaled(worst);
    };
    Expect(RecommendQuery{Inputs(positive), Inputs(negative), strategy}, score,
           !average || LargerIsNearer(distance_));
  }
}

TEST_P(ExampleQuery, DiscoverAndContext) {
  SCOPED_TRACE(GetParam());
  const auto positive = RandomExamples(3), negative = RandomExamples(3);
  const Example target = RandomExample();
  const auto named = named_;
  std::vector<ContextPair> pairs;
  for (size_t i = 0; i < 3; ++i) pairs.push_back({positive[i].input, negative[i].input});
  Expect(DiscoverQuery{target.input, pairs}, [&](const DenseVector& row) {
    int rank = 0;
    for (size_t i = 0; i < 3; ++i) {
      const double difference =
          Similarity(positive[i].vector, row) - Similarity(negative[i].vector, row);
      rank += difference > 0 ? 1 : difference < 0 ? -1 : 0;
    }
    return rank + Scaled(Similarity(target.vector, row));
  });
  named_ = named;
  if (std::holds_alternative<PointId>(target.input)) named_.pop_back();
  Expect(ContextQuery{pairs}, [&](const DenseVector& row) {
    double sum = 0;
    for (size_t i = 0; i < 3; ++i) {
      sum += Squash(
          std::min(Similarity(positive[i].vector, row) - Similarity(negative[i].vector, row), 0.0));
    }
    return sum;
  });
}

TEST_P(ExampleQuery, RelevanceFeedbackAndSets) {
  SCOPED_TRACE(GetParam());
  const Example target = RandomExample();
  const auto examples = RandomExamples(5);
  const auto named = named_;
  RelevanceFeedbackQuery feedback{target.input, {}, 0.5f, 2.0f, 1.5f};
  for (size_t i = 0; i < 5; ++i) {
    feedback.feedback.push_back({examples[i].input, static_cast<float>((i * 3) % 5)});
  }
  Expect(feedback, [&](const DenseVector& row) {
    // Scores 0, 3, 1, 4, 2: example 3 with 0 (by 4), then 1 with 2 (by 2).
    const auto x = [&](size_t i) { return Similarity(examples[i].vector, row); };
    return 0.5 * Similarity(target.vector, row) + 16 * 1.5 * (x(3) - x(0)) +
           4 * 1.5 * (x(1) - x(2));
  });
  named_ = named;
  if (std::holds_alternative<PointId>(target.input)) named_.erase(named_.begin());
  const auto input = [&](size_t i) { return examples[i].input; };
  Expect(SetQuery{{{input(0)}, {input(1), input(2)}}, {{input(3)}, {input(0)}}, {{input(4)}}},
         [&](const DenseVector& row) {
           const auto x = [&](size_t i) { return Similarity(examples[i].vector, row); };
           return std::min({x(0), (x(1) + x(2)) / 2, std::max(x(3), x(0))}) - std::max(0.0, x(4));
         });
}

TEST_P(ExampleQuery, SparseExamplesScoreEveryPointWithTheVector) {
  SCOPED_TRACE(GetParam());
  const SparseVector liked = testing::RandomSparse(random_),
                     disliked = testing::RandomSparse(random_);
  Scores expected;
  for (const auto& [id, vector] : sparse_) {
    expected[id] = SparseSimilarity(liked, vector) - SparseSimilarity(disliked, vector);
  }
  QueryRequest request;
  request.root.query = RecommendQuery{{liked}, {disliked}, Strategy::kSumScores};
  request.root.using_vector = "s";
  request.root.limit = 1000;
  Compare(request, expected, true);
}

TEST_P(ExampleQuery, MmrPicksLikeTheTwin) {
  SCOPED_TRACE(GetParam());
  const DenseVector query = testing::RandomVector(random_, kDimension);
  const double diversity = 0.6;
  std::vector<std::pair<double, uint64_t>> candidates;
  for (const auto& [id, vector] : vectors_) candidates.emplace_back(Similarity(query, vector), id);
  std::sort(candidates.rbegin(), candidates.rend());
  candidates.resize(20);
  std::vector<uint64_t> picked;
  while (picked.size() < 8) {
    double best = -INFINITY;
    uint64_t best_id = 0;
    for (const auto& [similarity, id] : candidates) {
      if (std::ranges::find(picked, id) != picked.end()) continue;
      double nearest = -INFINITY;
      for (const uint64_t other : picked) {
        nearest = std::max(nearest, Similarity(vectors_[other], vectors_[id]));
      }
      const double value =
          picked.empty() ? similarity : (1 - diversity) * similarity - diversity * nearest;
      if (value > best) best = value, best_id = id;
    }
    picked.push_back(best_id);
  }
  QueryRequest request;
  request.root.query = NearestQuery{query, Diversification{diversity, 20}};
  request.root.using_vector = "v";
  request.root.limit = 8;
  request.root.params.exact = true;
  const auto hits = ExecuteQuery(*collection_, request);
  ASSERT_TRUE(hits) << hits.error().message;
  std::vector<uint64_t> ids;
  for (const Hit& hit : *hits) ids.push_back(std::get<uint64_t>(hit.id));
  EXPECT_EQ(ids, picked);
}

// Every similarity is that of a nearest query, whichever version wrote a point's row.
TEST_P(ExampleQuery, ExamplesAreComparedInServedSpace) {
  SCOPED_TRACE(GetParam());
  if (distance_ != Distance::kCosine && distance_ != Distance::kDot) return;
  std::mt19937 random(static_cast<uint32_t>(random_()));
  const auto version =
      collection_->AddVersion("v", {}, RandomAdapter(random, kDimension, /*maps_documents=*/true));
  ASSERT_TRUE(version) << version.error().message;
  ASSERT_TRUE(collection_->ActivateVersion("v", *version));
  const DenseVector example = testing::RandomVector(random_, kDimension);
  QueryRequest request;
  request.root.using_vector = "v";
  request.root.limit = 1000;
  request.root.params.exact = true;
  for (int round = 0; round < 2; ++round) {  // Mixed segments, then re-embedded ones.
    request.root.query = NearestQuery{example};
    const auto nearest = ExecuteQuery(*collection_, request);
    ASSERT_TRUE(nearest) << nearest.error().message;
    Scores expected;
    bool differs = false;
    for (const Hit& hit : *nearest) {
      const uint64_t id = std::get<uint64_t>(hit.id);
      expected[id] = Scaled(hit.score);
      differs |= std::abs(hit.score - Similarity(example, vectors_.at(id))) > 1e-3;
    }
    EXPECT_TRUE(differs) << "the adapter changes scores";
    request.root.query = RecommendQuery{{example}, {}, Strategy::kBestScore};
    Compare(request, expected, true);
    while (*collection_->OptimizeOnce([](double) { return true; })) {
    }
  }
}

TEST_P(ExampleQuery, LookupFromAnotherCollection) {
  CollectionConfig config;
  config.dense["other"] = {kDimension, Distance::kDot, {}};
  MemoryStore store;
  std::shared_ptr<Collection> source =
      *Collection::Open(2, "source", config, store, directory_ / "source");
  const DenseVector vector = testing::RandomVector(random_, kDimension);
  UpsertOperation upsert;
  PointInput point;
  point.id = uint64_t{0};
  point.vectors["other"] = vector;
  upsert.points = {point};
  const std::vector<WriteOperation> operations = {upsert};
  ASSERT_TRUE(source->Write(operations));
  QueryRequest request;
  request.root.using_vector = "v";
  request.root.limit = 1000;
  request.root.params.exact = true;
  request.root.query = NearestQuery{vector};
  const auto expected = ExecuteQuery(*collection_, request);
  request.root.query = NearestQuery{PointId(uint64_t{0})};
  request.root.lookup_from = LookupFrom{"source", "other"};
  EXPECT_EQ(ExecuteQuery(*collection_, request).error().code, ErrorCode::kBadRequest);
  request.find_collection = [&](const std::string& name) -> Result<std::shared_ptr<Collection>> {
    if (name == "source") return source;
    return Fail(ErrorCode::kNotFound, "none");
  };
  const auto hits = ExecuteQuery(*collection_, request);
  ASSERT_TRUE(hits) << hits.error().message;
  ASSERT_EQ(hits->size(), expected->size());
  for (size_t i = 0; i < hits->size(); ++i) EXPECT_EQ((*hits)[i].id, (*expected)[i].id);
  request.root.lookup_from->collection = "absent";
  EXPECT_EQ(ExecuteQuery(*collection_, request).error().code, ErrorCode::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ExampleQuery, ::testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace almagest
