// Searches through a bridge between two embedding models, compared with the definition applied to
// every point: by random writes, and beside a writer.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <set>
#include <thread>

#include "engine/collection/bridge.h"
#include "engine/search/query_executor.h"
#include "storage/base/safetensors.h"
#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

constexpr uint32_t kNewSize = 4;
constexpr uint32_t kOldSize = 6;
constexpr uint64_t kBridgedPoints = 150;

class BridgedSearch : public CollectionTest {
 protected:
  struct Point {
    std::optional<DenseVector> recent;  // As given.
    std::optional<DenseVector> old;
    bool operator==(const Point&) const = default;
  };

  void SetUp() override {
    config = {};
    config.dense["new"] = {kNewSize, Distance::kCosine, {}};
    config.dense["old"] = {kOldSize, Distance::kCosine, {}};
    config.dense["new"].hnsw.full_scan_threshold_kb = 0;
    config.dense["old"].hnsw.full_scan_threshold_kb = 0;
    config.sparse["terms"];
    config.optimizer.seal_rows = 50;
    config.optimizer.segments_max = 3;
    Reopen();
    weight_ = RandomVector(random, kOldSize * kNewSize);
    bias_ = RandomVector(random, kOldSize);
  }

  void AddActiveBridge() {
    SafetensorsWriter writer;
    for (const auto& [key, value] : std::map<std::string, std::string>{{"format_version", "1"},
                                                                       {"direction", "queries"},
                                                                       {"from", "new"},
                                                                       {"to", "old"},
                                                                       {"from_dimension", "4"},
                                                                       {"to_dimension", "6"}}) {
      writer.SetMetadata(key, value);
    }
    writer.AddFloat32("weight", {kOldSize, kNewSize}, weight_);
    writer.AddFloat32("bias", {kOldSize}, bias_);
    writer.AddFloat32("curve_inputs", {3}, inputs_);
    writer.AddFloat32("curve_outputs", {3}, outputs_);
    BridgeRecord record;
    record.from_name = "new";
    record.to_name = "old";
    record.from = collection->FindField("new")->id;
    record.to = collection->FindField("old")->id;
    const auto id = collection->AddBridge(record, writer.Serialize());
    ASSERT_TRUE(id) << id.error().message;
    ASSERT_TRUE(collection->ActivateBridge(*id));
    bridge_ids_.push_back(*id);
  }

  PointInput Given(uint64_t id, const Point& point) {
    PointInput input;
    input.id = id;
    if (point.recent) input.vectors["new"] = *point.recent;
    if (point.old) input.vectors["old"] = *point.old;
    if (id % 5 == 0) input.vectors["terms"] = SparseVector{{1}, {1.0f}};
    return input;
  }
  Point RandomBridged() {
    Point point;
    if (random() % 2 == 0) point.recent = RandomVector(random, kNewSize);
    if (random() % 4 != 0) point.old = RandomVector(random, kOldSize);
    return point;
  }
  void ChangeAtRandom() {
    const uint64_t id = random() % kBridgedPoints;
    Point& point = points_[id];
    switch (random() % 5) {
      case 0:
        point = RandomBridged();
        Upsert({Given(id, point)});
        return;
      case 1:
        points_.erase(id);
        Delete({id});
        return;
      case 2: {  // Re-encoded.
        point.recent = RandomVector(random, kNewSize);
        PointInput input;
        input.id = id;
        input.vectors["new"] = *point.recent;
        if (points_[id] == Point{point.recent, {}}) Upsert({Given(id, point)});
        ASSERT_TRUE(Write({UpdateVectorsOperation{{input}}}));
        return;
      }
      default: {
        const bool is_new = random() % 2 == 0;
        (is_new ? point.recent : point.old).reset();
        if (!point.recent && !point.old) Upsert({Given(id, point)});
        ASSERT_TRUE(
            Write({DeleteVectorsOperation{std::vector<PointId>{id}, {is_new ? "new" : "old"}}}));
      }
    }
  }

  float Curve(float score) const {
    const size_t i = score < inputs_[1] ? 0 : 1;
    return outputs_[i] +
           (outputs_[i + 1] - outputs_[i]) * (score - inputs_[i]) / (inputs_[i + 1] - inputs_[i]);
  }
  static float Cosine(const DenseVector& a, const DenseVector& b) {
    const DenseVector x = Normalised(a), y = Normalised(b);
    float sum = 0;
    for (size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
    return sum;
  }
  // The definition.
  std::map<uint64_t, float> Scores(const DenseVector& query, bool even_only) const {
    const DenseVector q = Normalised(query);
    DenseVector mapped = bias_;
    for (size_t i = 0; i < kOldSize; ++i) {
      for (size_t j = 0; j < kNewSize; ++j) mapped[i] += weight_[i * kNewSize + j] * q[j];
    }
    std::map<uint64_t, float> scores;
    for (const auto& [id, point] : points_) {
      if (even_only && id % 2 != 0) continue;
      if (point.recent) {
        scores[id] = Cosine(q, *point.recent);
      } else if (point.old) {
        scores[id] = Curve(Cosine(mapped, *point.old));
      }
    }
    return scores;
  }
  Result<std::vector<Hit>> Ask(const DenseVector& query, uint64_t limit, bool even_only = false) {
    QueryRequest request;
    request.root.query = NearestQuery{query};
    request.root.using_vector = "new";
    request.root.limit = limit;
    request.root.params.exact = true;
    if (even_only) {
      HasIdCondition even;
      for (uint64_t id = 0; id < kBridgedPoints; id += 2) even.ids.emplace_back(id);
      request.root.filter.emplace().must.push_back(even);
    }
    return ExecuteQuery(*collection, request);
  }
  void ExpectTheDefinition(uint64_t limit, bool even_only) {
    const DenseVector query = RandomVector(random, kNewSize);
    const auto hits = Ask(query, limit, even_only);
    ASSERT_TRUE(hits) << hits.error().message;
    auto scores = Scores(query, even_only);
    std::vector<float> best;
    for (const auto& [id, score] : scores) best.push_back(score);
    std::ranges::sort(best, std::greater());
    ASSERT_EQ(hits->size(), std::min<size_t>(limit, best.size()));
    for (size_t i = 0; i < hits->size(); ++i) {
      const auto found = scores.find(std::get<uint64_t>((*hits)[i].id));
      ASSERT_NE(found, scores.end()) << "no such point, or twice";
      EXPECT_NEAR((*hits)[i].score, found->second, 1e-5);
      EXPECT_NEAR((*hits)[i].score, best[i], 1e-5);
      scores.erase(found);
    }
  }

  const std::vector<float> inputs_{-1, 0, 1};
  const std::vector<float> outputs_{-0.9f, 0.1f, 0.8f};
  std::vector<float> weight_, bias_;
  std::vector<uint64_t> bridge_ids_;
  std::map<uint64_t, Point> points_;
};

TEST_F(BridgedSearch, ScoresEveryPointByTheNewestVectorItHas) {
  const uint32_t seed = 62;
  SCOPED_TRACE("seed " + std::to_string(seed));
  random.seed(seed);
  AddActiveBridge();
  std::vector<PointInput> given;
  for (uint64_t id = 0; id < kBridgedPoints; ++id) {
    points_[id].old = RandomVector(random, kOldSize);
    given.push_back(Given(id, points_[id]));
  }
  Upsert(given);
  ExpectTheDefinition(10, false);
  for (int step = 0; step < 200; ++step) {
    ChangeAtRandom();
    if (step % 37 == 0) OptimizeAll();
    if (step % 101 == 0) Reopen();
    if (step % 4 == 0) ExpectTheDefinition(step % 3 == 0 ? kBridgedPoints : 10, step % 8 == 0);
    ASSERT_FALSE(HasFailure()) << "step " << step;
  }
  for (uint64_t id = 0; id < kBridgedPoints; ++id)
    points_[id].recent = RandomVector(random, kNewSize);
  given.clear();
  for (const auto& [id, point] : points_) given.push_back(Given(id, point));
  Upsert(given);
  OptimizeAll();
  ExpectTheDefinition(kBridgedPoints, false);
}

// A point is re-encoded, or its new vector goes again: it is there all the time.
TEST_F(BridgedSearch, FindsEveryPointOnceBesideAWriter) {
  AddActiveBridge();
  std::vector<PointInput> given;
  for (uint64_t id = 0; id < kBridgedPoints; ++id) {
    given.push_back(Given(id, {{}, RandomVector(random, kOldSize)}));
  }
  Upsert(given);
  std::atomic<bool> done{false};
  std::atomic<int> searches{0};
  std::thread searcher([&] {
    std::mt19937 mine{5};
    while (!done || searches < 10) {
      const auto hits = Ask(RandomVector(mine, kNewSize), kBridgedPoints);
      ASSERT_TRUE(hits) << hits.error().message;
      std::set<PointId> found;
      for (const Hit& hit : *hits) found.insert(hit.id);
      EXPECT_EQ(found.size(), kBridgedPoints);
      EXPECT_EQ(hits->size(), kBridgedPoints) << "a point was found twice";
      ++searches;
    }
  });
  for (int round = 0; round < 40; ++round) {
    UpdateVectorsOperation update;
    DeleteVectorsOperation removal;
    std::vector<PointId> ids;
    for (uint64_t id = random() % 3; id < kBridgedPoints; id += 3) {
      PointInput& point = update.points.emplace_back();
      point.id = id;
      point.vectors["new"] = RandomVector(random, kNewSize);
      ids.emplace_back(id);
    }
    removal.points = ids;
    removal.names = {"new"};
    ASSERT_TRUE(Write({update}));
    if (round % 7 == 0) OptimizeAll();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ASSERT_TRUE(Write({removal}));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  done = true;
  searcher.join();
}

TEST_F(BridgedSearch, NeverFailsWhileTheOldVectorIsRemoved) {
  const DenseVectorConfig old = config.dense.at("old");
  const auto persist = [&](const CollectionConfig& changed, WriteBatch*) { config = changed; };
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    AddActiveBridge();
    Upsert({Given(1, {RandomVector(random, kNewSize), RandomVector(random, kOldSize)}),
            Given(2, {{}, RandomVector(random, kOldSize)})});
    std::atomic<bool> done{false};
    std::thread searcher([&] {
      std::mt19937 mine{5};
      bool last = false;
      while (!last) {
        last = done;
        const auto hits = Ask(RandomVector(mine, kNewSize), 10);
        ASSERT_TRUE(hits) << hits.error().message;
        EXPECT_GE(hits->size(), 1u);
        EXPECT_LE(hits->size(), last ? 1u : 2u);
      }
    });
    ASSERT_TRUE(collection->RemoveVector("old", persist));
    done = true;
    searcher.join();
    ASSERT_TRUE(collection->AddVector("old", old, persist));
  }
}

TEST_F(BridgedSearch, IdsAreNeverGivenTwice) {
  for (int round = 0; round < 3; ++round) {
    AddActiveBridge();
    ASSERT_TRUE(collection->RemoveBridge(bridge_ids_.back()));
    Reopen();
  }
  AddActiveBridge();
  const auto old = config.dense.at("old");
  const auto persist = [&](const CollectionConfig& changed, WriteBatch*) { config = changed; };
  ASSERT_TRUE(collection->RemoveVector("old", persist));  // Its bridge goes along.
  Reopen();
  ASSERT_TRUE(collection->AddVector("old", old, persist));
  EXPECT_TRUE(collection->Bridges().empty());
  AddActiveBridge();
  EXPECT_EQ(bridge_ids_, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
}

}  // namespace
}  // namespace almagest
