// Search through sealed segments: recall by default, exact search, quantizations, what deletes and
// updates leave behind.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/collection/vector_values.h"
#include "engine/linalg/row_kernels.h"
#include "engine/search/query_executor.h"
#include "tests/engine/collection/collection_fixture.h"

namespace almagest {
namespace {

constexpr uint32_t kDimension = 24;
constexpr uint64_t kPoints = 1500;
constexpr uint64_t kLimit = 10;

class SealedSearch : public CollectionTest {
 protected:
  void Open(Distance distance, const Quantization& quantization = {}) {
    config = CollectionConfig();
    config.dense[""].dimension = kDimension;
    config.dense[""].distance = distance;
    config.dense[""].hnsw.full_scan_threshold_kb = 0;
    config.dense[""].hnsw.build_beam = 40;
    config.dense[""].quantization = quantization;
    config.optimizer.seal_rows = 1000;
    config.optimizer.segments_max = 1;
    collection.reset();
    store = std::make_unique<MemoryStore>();
    std::filesystem::remove_all(directory.path());
    std::filesystem::create_directories(directory.path());
    vectors_.clear();
    Reopen();
  }
  // Points in clusters, as real vectors are.
  DenseVector Sample() {
    std::normal_distribution<float> normal;
    if (centres_.empty()) {
      for (int i = 0; i < 30; ++i) centres_.push_back(RandomVector(random, kDimension));
    }
    DenseVector vector = centres_[random() % centres_.size()];
    for (float& value : vector) value += 0.4f * normal(random);
    return vector;
  }
  void Fill(uint64_t first, uint64_t count) {
    std::vector<PointInput> points;
    for (uint64_t id = first; id < first + count; ++id) {
      PointInput& point = points.emplace_back();
      point.id = id;
      vectors_[id] = Sample();
      if (rounds_) RoundTo(Datatype::kFloat16, vectors_[id]);
      point.vectors[""] = vectors_[id];
    }
    Upsert(std::move(points));
  }
  float Score(Distance distance, const DenseVector& query, const DenseVector& vector) const {
    switch (distance) {
      case Distance::kCosine: {
        const DenseVector q = Normalised(query);
        const DenseVector v = Normalised(vector);
        return DotProduct(q.data(), v.data(), kDimension);
      }
      case Distance::kDot:
        return DotProduct(query.data(), vector.data(), kDimension);
      case Distance::kEuclid: {
        double sum = 0;
        for (size_t i = 0; i < kDimension; ++i) sum += std::pow(query[i] - vector[i], 2);
        return static_cast<float>(std::sqrt(sum));
      }
      case Distance::kManhattan: {
        double sum = 0;
        for (size_t i = 0; i < kDimension; ++i) sum += std::fabs(query[i] - vector[i]);
        return static_cast<float>(sum);
      }
    }
    return 0;
  }
  std::vector<Hit> Query(const DenseVector& vector, const SearchParams& params = {}) {
    QueryRequest request;
    request.root.query = NearestQuery{vector};
    request.root.limit = kLimit;
    request.root.params = params;
    auto hits = ExecuteQuery(*collection, request);
    EXPECT_TRUE(hits) << hits.error().message;
    return hits ? *std::move(hits) : std::vector<Hit>();
  }
  // Mean recall over queries; every score is checked against the definition.
  double RecallOf(Distance distance, const SearchParams& params = {}, float tolerance = 1e-5f) {
    constexpr int kQueries = 40;
    double recall = 0;
    for (int q = 0; q < kQueries; ++q) {
      const DenseVector query = Sample();
      std::vector<std::pair<float, uint64_t>> all;
      const bool larger = distance == Distance::kCosine || distance == Distance::kDot;
      for (const auto& [id, vector] : vectors_) {
        const float score = Score(distance, query, vector);
        all.emplace_back(larger ? -score : score, id);
      }
      std::ranges::sort(all);
      std::set<uint64_t> wanted;
      for (size_t i = 0; i < kLimit; ++i) wanted.insert(all[i].second);
      const auto hits = Query(query, params);
      EXPECT_EQ(hits.size(), kLimit);
      for (const Hit& hit : hits) {
        const uint64_t id = std::get<uint64_t>(hit.id);
        EXPECT_TRUE(vectors_.contains(id)) << "a point that is not there";
        if (!vectors_.contains(id)) continue;
        const float expected = Score(distance, query, vectors_[id]);
        EXPECT_NEAR(hit.score, expected, tolerance * std::max(1.0f, std::fabs(expected)));
        recall += wanted.contains(id) ? 1.0 / kLimit / kQueries : 0;
      }
    }
    return recall;
  }
  const Segment::DenseField SealedField() const {
    const auto view = collection->view();
    for (const auto& segment : view->segments) {
      if (segment->sealed()) return *segment->dense(0);
    }
    ADD_FAILURE() << "nothing is sealed";
    return {};
  }

  std::map<uint64_t, DenseVector> vectors_;
  bool rounds_ = false;  // Vectors to two bytes a coordinate.
  std::vector<DenseVector> centres_;
};

TEST_F(SealedSearch, EveryDistanceHasItsIndexAndItsRecall) {
  for (const Distance distance :
       {Distance::kCosine, Distance::kDot, Distance::kEuclid, Distance::kManhattan}) {
    SCOPED_TRACE(DistanceName(distance));
    Open(distance);
    Fill(0, kPoints);
    OptimizeAll();
    const auto field = SealedField();
    EXPECT_EQ(field.code_graph != nullptr, distance != Distance::kManhattan);
    EXPECT_EQ(field.graph != nullptr, distance == Distance::kManhattan);
    EXPECT_GE(RecallOf(distance), 0.95);
    SearchParams exact;
    exact.exact = true;
    EXPECT_NEAR(RecallOf(distance, exact, 1e-5f), 1.0, 1e-9);
    SearchParams wide;
    wide.beam_width = 800;
    EXPECT_GE(RecallOf(distance, wide), 0.99);
    Reopen();
    EXPECT_GE(RecallOf(distance), 0.95);
  }
}

TEST_F(SealedSearch, WholeNumbersNeedNoRowsBesideTheGraph) {
  Open(Distance::kEuclid);
  for (DenseVector& centre : centres_) centre.clear();
  std::vector<PointInput> points;
  for (uint64_t id = 0; id < kPoints; ++id) {
    DenseVector vector(kDimension);
    for (float& value : vector) value = static_cast<float>(random() % 200);
    PointInput& point = points.emplace_back();
    point.id = id;
    point.vectors[""] = vector;
    vectors_[id] = std::move(vector);
  }
  Upsert(std::move(points));
  OptimizeAll();
  const auto field = SealedField();
  ASSERT_NE(field.code_graph, nullptr);
  EXPECT_EQ(field.rows.data, nullptr);
  EXPECT_TRUE(field.code_graph->rows_exact());
  centres_ = {vectors_[1], vectors_[2], vectors_[3]};
  EXPECT_GE(RecallOf(Distance::kEuclid, {}, 1e-5f), 0.95);
  SearchParams exact;
  exact.exact = true;
  EXPECT_NEAR(RecallOf(Distance::kEuclid, exact, 1e-5f), 1.0, 1e-9);
}

TEST_F(SealedSearch, QuantizationsDecideWhatNodesKeepAndWhatIsRescored) {
  struct Case {
    Quantization quantization;
    CodeRowFormat format;
    bool rescored;
    uint32_t code_bits;
  };
  using Kind = Quantization::Kind;
  for (const Case& expected : {Case{{}, CodeRowFormat::kHalf, true, 64},
                               Case{{Kind::kNone}, CodeRowFormat::kFloat, false, 64},
                               Case{{Kind::kScalar, 0.99}, CodeRowFormat::kByte, true, 64},
                               Case{{Kind::kBinary, 1.0, 1.0}, CodeRowFormat::kHalf, true, 24},
                               Case{{Kind::kBinary, 1.0, 2.0}, CodeRowFormat::kHalf, true, 48}}) {
    SCOPED_TRACE(testing::Message() << "kind " << int(expected.quantization.kind));
    for (const GraphPlacement placement :
         {GraphPlacement::kMapped, GraphPlacement::kPinned, GraphPlacement::kAutomatic}) {
      Quantization quantization = expected.quantization;
      quantization.placement = placement;
      Open(Distance::kCosine, quantization);
      Fill(0, kPoints);
      OptimizeAll();
      const auto field = SealedField();
      ASSERT_NE(field.code_graph, nullptr);
      EXPECT_EQ(field.code_graph->meta().row_format, expected.format);
      EXPECT_EQ(field.code_graph->meta().code_bits, expected.code_bits);
      EXPECT_EQ(field.rescored, expected.rescored);
      const uint64_t memory = collection->view()->segments[0]->bytes_in_memory();
      EXPECT_EQ(memory > field.code_graph->node_bytes().size(),
                placement != GraphPlacement::kMapped);
      EXPECT_GE(RecallOf(Distance::kCosine, {}, 1e-5f), 0.95);
    }
  }
}

TEST_F(SealedSearch, RowsThatTwoBytesHoldAreKeptOnce) {
  for (const Distance distance : {Distance::kEuclid, Distance::kDot}) {
    SCOPED_TRACE(DistanceName(distance));
    Open(distance);
    rounds_ = true;
    Fill(0, kPoints);
    OptimizeAll();
    const auto field = SealedField();
    ASSERT_NE(field.code_graph, nullptr);
    EXPECT_EQ(field.code_graph->meta().row_format, CodeRowFormat::kExactHalf);
    EXPECT_EQ(field.rows.data, nullptr);
    EXPECT_FALSE(field.rescored);
    EXPECT_GE(RecallOf(distance, {}, 1e-4f), 0.95);
  }
}

TEST_F(SealedSearch, AQuantizedSearchCanBeRescoredOrNot) {
  Quantization coarse{Quantization::Kind::kScalar, 0.6};
  Open(Distance::kCosine, coarse);
  Fill(0, kPoints);
  OptimizeAll();
  SearchParams params;
  params.quantized.rescore = false;
  const double plain = RecallOf(Distance::kCosine, params, 0.5f);
  const DenseVector query = Sample();
  const Hit rounded = Query(query, params).front();
  params.quantized.rescore = true;
  const Hit exact = Query(query, params).front();
  const float wanted = Score(Distance::kCosine, query, vectors_[std::get<uint64_t>(exact.id)]);
  EXPECT_NEAR(exact.score, wanted, 1e-6f);
  EXPECT_NE(rounded.score, exact.score);
  const double rescored = RecallOf(Distance::kCosine, params, 1e-6f);
  params.quantized.oversampling = 10;
  const double oversampled = RecallOf(Distance::kCosine, params, 1e-6f);
  params = {};
  params.quantized.ignore = true;
  params.beam_width = 150;
  const double ignored = RecallOf(Distance::kCosine, params, 1e-6f);
  EXPECT_LT(plain, rescored);
  EXPECT_LT(rescored, oversampled);
  EXPECT_GE(oversampled, 0.95);
  EXPECT_GE(ignored, 0.95);
}

TEST_F(SealedSearch, NewSettingsRebuildTheIndex) {
  Open(Distance::kCosine);
  Fill(0, kPoints);
  OptimizeAll();
  EXPECT_EQ(SealedField().code_graph->meta().row_format, CodeRowFormat::kHalf);
  ASSERT_TRUE(collection->UpdateConfig([](CollectionConfig& changed) -> Result<> {
    changed.dense[""].quantization.kind = Quantization::Kind::kScalar;
    return {};
  }));
  OptimizeAll();
  EXPECT_EQ(SealedField().code_graph->meta().row_format, CodeRowFormat::kByte);
  EXPECT_GE(RecallOf(Distance::kCosine), 0.95);
  ASSERT_TRUE(collection->UpdateConfig([](CollectionConfig& changed) -> Result<> {
    changed.dense[""].hnsw.full_scan_threshold_kb = 1'000'000;
    return {};
  }));
  OptimizeAll();
  EXPECT_EQ(SealedField().code_graph, nullptr);
  EXPECT_NEAR(RecallOf(Distance::kCosine), 1.0, 1e-9);
}

TEST_F(SealedSearch, RecallStaysAfterDeletesAndUpdates) {
  Open(Distance::kCosine);
  Fill(0, kPoints);
  OptimizeAll();
  std::vector<PointId> gone;
  for (uint64_t id = 0; id < kPoints; ++id) {
    if (random() % 10 >= 3) continue;
    gone.emplace_back(id);
    vectors_.erase(id);
  }
  Delete(gone);
  EXPECT_GE(RecallOf(Distance::kCosine), 0.95) << "deleted, not yet rewritten";
  OptimizeAll();
  EXPECT_GE(RecallOf(Distance::kCosine), 0.95) << "rewritten";
  Fill(0, kPoints);
  EXPECT_GE(RecallOf(Distance::kCosine), 0.95) << "updated, not yet rewritten";
  OptimizeAll();
  EXPECT_GE(RecallOf(Distance::kCosine), 0.95) << "updated";
  const auto view = collection->view();
  uint64_t dead = 0;
  for (const auto& segment : view->segments) dead += segment->deleted_count();
  EXPECT_LT(dead, kPoints / 5);
}

}  // namespace
}  // namespace almagest
