#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/collection/collection_fixture.h"
#include "tests/engine/collection/naive_model.h"

namespace almagest {
namespace {

class WriteTest : public CollectionTest {
 protected:
  PointInput Point(uint64_t id, const std::string& name, VectorData vector) {
    PointInput point;
    point.id = id;
    point.vectors[name] = std::move(vector);
    return point;
  }
  // A good point and then the bad one: neither may be written.
  void ExpectRefused(PointInput bad, ErrorCode code, const std::string& message) {
    const auto written =
        Write({UpsertOperation{{RandomPoint(random, 1), std::move(bad)}, UpdateMode::kUpsert, {}}});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, code) << written.error().message;
    EXPECT_NE(written.error().message.find(message), std::string::npos) << written.error().message;
    EXPECT_EQ(collection->point_count(), 0u);
    EXPECT_EQ(store->write_count(), 0u);
  }
};

TEST_F(WriteTest, OneBadPointRefusesTheRequest) {
  ExpectRefused(Point(2, "", DenseVector(3, 1.0f)), ErrorCode::kInvalidArgument,
                "Vector dimension error: expected dim: 8, got 3");
  ExpectRefused(Point(2, "other", DenseVector(8, 1.0f)), ErrorCode::kInvalidArgument,
                "Not existing vector name error: other");
  ExpectRefused(Point(2, "terms", DenseVector(8, 1.0f)), ErrorCode::kInvalidArgument, "sparse");
  ExpectRefused(Point(2, "", SparseVector{{1}, {1.0f}}), ErrorCode::kInvalidArgument, "dense");
  DenseVector bad(8, 1.0f);
  bad[5] = NAN;
  ExpectRefused(Point(2, "", bad), ErrorCode::kOutOfRange, "position 5");
  bad[5] = INFINITY;
  ExpectRefused(Point(2, "", bad), ErrorCode::kOutOfRange, "not finite");
  ExpectRefused(Point(2, "terms", SparseVector{{2, 1}, {1.0f, 1.0f}}), ErrorCode::kOutOfRange,
                "terms");
  ExpectRefused(Point(2, "terms", SparseVector{{1, 2}, {1.0f}}), ErrorCode::kOutOfRange, "terms");
}

TEST_F(WriteTest, CosineVectorsAreStoredWithLengthOne) {
  DenseVector huge(8, 1e38f);
  DenseVector unit(8, 0.0f);
  unit[3] = 1.0f + 5e-7f;
  Upsert({Point(1, "", huge), Point(2, "", unit), Point(3, "", DenseVector(8, 0.0f)),
          Point(4, "dot", DenseVector(4, 3.0f))});
  const auto stored = [&](uint64_t id) {
    const auto vectors =
        *collection->Vectors(collection->FindSlot(id), {VectorSelector::Kind::kAll, {}});
    return std::get<DenseVector>(vectors.begin()->second);
  };
  for (const float value : stored(1)) EXPECT_NEAR(value, std::sqrt(1.0f / 8), 1e-6);
  EXPECT_EQ(stored(2), unit);
  EXPECT_EQ(stored(3), DenseVector(8, 0.0f));
  EXPECT_EQ(stored(4), DenseVector(4, 3.0f));
}

TEST_F(WriteTest, LaterOperationsSeeEarlierOnes) {
  PointInput red = RandomPoint(random, 1);
  red.payload = R"({"color":"red"})";
  PointInput blue = RandomPoint(random, 2);
  blue.payload = R"({"color":"blue"})";
  const auto written =
      Write({UpsertOperation{{red, blue}, UpdateMode::kUpsert, {}},
             SetPayloadOperation{ColorIs("red"), R"({"color":"green","seen":1})", ""},
             DeletePointsOperation{ColorIs("blue")},
             OverwritePayloadOperation{std::vector<PointId>{uint64_t{1}}, R"({"color":"red"})"},
             DeletePointsOperation{ColorIs("green")}});
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(written->back().operation_id, 5u);
  EXPECT_EQ(collection->point_count(), 1u);
  const Slot one[] = {collection->FindSlot(uint64_t{1})};
  EXPECT_EQ(collection->Payloads(one)->at(0), R"({"color":"red"})");
  EXPECT_EQ(collection->FindPoint(one[0])->version, 4u);
}

TEST_F(WriteTest, AFailingOperationUndoesTheEarlierOnes) {
  Upsert({RandomPoint(random, 1)});
  const auto written = Write({DeletePointsOperation{std::vector<PointId>{uint64_t{1}}},
                              UpdateVectorsOperation{{RandomPoint(random, 1)}}});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(written.error().message, "No point with id 1 found");
  EXPECT_EQ(collection->point_count(), 1u);
  EXPECT_EQ(collection->Info().last_operation, 1u);
}

TEST_F(WriteTest, VectorsOfPointsThatDoNotMatchStay) {
  PointInput red = RandomPoint(random, 1);
  red.payload = R"({"color":"red"})";
  PointInput blue = RandomPoint(random, 2);
  blue.payload = R"({"color":"blue"})";
  Upsert({red, blue});
  const auto written = Write(
      {UpdateVectorsOperation{{RandomPoint(random, 1), RandomPoint(random, 2)}, ColorIs("red")},
       UpdateVectorsOperation{{RandomPoint(random, 1)}, ColorIs("green")}});
  ASSERT_TRUE(written) << written.error().message;
  const auto version = [&](uint64_t id) {
    return collection->FindPoint(collection->FindSlot(id))->version;
  };
  EXPECT_EQ(version(1), 2u);
  EXPECT_EQ(version(2), 1u);
  const auto unknown = Write({UpdateVectorsOperation{{RandomPoint(random, 3)}, ColorIs("red")}});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
}

TEST_F(WriteTest, PayloadChangesKeepTheRow) {
  Upsert({RandomPoint(random, 1)});
  const auto rows = [&] { return collection->view()->segments.at(0)->row_count(); };
  const auto written =
      Write({SetPayloadOperation{std::vector<PointId>{uint64_t{1}}, R"({"color":"red"})", ""}});
  ASSERT_TRUE(written);
  EXPECT_EQ(rows(), 1u);
  EXPECT_EQ(collection->view()->segments.at(0)->deleted_count(), 0u);
  Upsert({RandomPoint(random, 1)});
  EXPECT_EQ(rows(), 2u);
  EXPECT_EQ(collection->view()->segments.at(0)->deleted_count(), 1u);
}

TEST_F(WriteTest, ABatchLargerThanASegmentFillsSeveral) {
  std::vector<PointInput> points;
  for (uint64_t id = 0; id < 300; ++id) points.push_back(RandomPoint(random, id));
  Upsert(points);
  EXPECT_GT(collection->view()->segments.size(), 2u);
  const DenseVector query = RandomVector(random, kTestDimension);
  EXPECT_EQ(ScoreAll(*collection, "", query).size(), 300u);
  OptimizeAll();
  EXPECT_EQ(collection->view()->segments.size(), 1u);
}

TEST_F(WriteTest, ADeletedIdComesBackUnderANewSlot) {
  Upsert({RandomPoint(random, 1)});
  const Slot before = collection->FindSlot(uint64_t{1});
  Delete({uint64_t{1}});
  EXPECT_EQ(collection->FindSlot(uint64_t{1}), kNoSlot);
  EXPECT_FALSE(collection->FindPoint(before));
  Upsert({RandomPoint(random, 1)});
  EXPECT_NE(collection->FindSlot(uint64_t{1}), before);
}

TEST_F(WriteTest, PayloadIndexesComeAndGoLive) {
  std::vector<PointInput> points;
  for (uint64_t id = 0; id < 30; ++id) {
    points.push_back(RandomPoint(random, id));
    points.back().payload = R"({"n":)" + std::to_string((id * 7) % 30) + "}";
  }
  Upsert(points);
  const auto visit = [](double, Slot) { return true; };
  EXPECT_EQ(collection->VisitOrdered("n", false, {}, visit).error().code, ErrorCode::kBadRequest);
  ASSERT_TRUE(collection->CreatePayloadIndex("n", PayloadIndexType::kInteger));
  Upsert({points[3]});
  std::vector<double> values;
  ASSERT_TRUE(collection->VisitOrdered("n", true, 20, [&](double value, Slot slot) {
    values.push_back(value);
    EXPECT_EQ(value,
              static_cast<double>((std::get<uint64_t>(collection->FindPoint(slot)->id) * 7) % 30));
    return values.size() < 4;
  }));
  EXPECT_EQ(values, (std::vector<double>{20, 19, 18, 17}));
  EXPECT_EQ(collection->Info().payload_index_points.at("n"), 30u);
  EXPECT_EQ(collection->config().payload_indexes.at("n"), PayloadIndexType::kInteger);
  ASSERT_TRUE(collection->DropPayloadIndex("n"));
  EXPECT_FALSE(collection->VisitOrdered("n", false, {}, visit));
  EXPECT_FALSE(collection->config().payload_indexes.contains("n"));
}

TEST_F(WriteTest, ConfigChangesLiveButVectorsDoNot) {
  ASSERT_TRUE(collection->UpdateConfig([](CollectionConfig& changed) -> Result<> {
    changed.optimizer.seal_rows = 50;
    changed.dense[""].hnsw.degree = 32;
    return {};
  }));
  EXPECT_EQ(collection->config().optimizer.seal_rows, 50u);
  EXPECT_EQ(collection->FindField("")->dense.hnsw.degree, 32u);
  const auto refuse = [&](const std::function<void(CollectionConfig&)>& change) {
    const auto updated = collection->UpdateConfig([&](CollectionConfig& changed) -> Result<> {
      change(changed);
      return {};
    });
    return !updated;
  };
  EXPECT_TRUE(refuse([](auto& changed) { changed.dense[""].dimension = 9; }));
  EXPECT_TRUE(refuse([](auto& changed) { changed.dense["dot"].distance = Distance::kCosine; }));
  EXPECT_TRUE(refuse([](auto& changed) { changed.sparse["new"] = {}; }));
  EXPECT_TRUE(refuse([](auto& changed) { changed.optimizer.seal_rows = 0; }));
  EXPECT_EQ(collection->config().optimizer.seal_rows, 50u);
}

TEST_F(WriteTest, VisitPointsStartsAnywhere) {
  Upsert({RandomPoint(random, 5), RandomPoint(random, 1), RandomPoint(random, 300)});
  std::vector<uint64_t> ids;
  ASSERT_TRUE(collection->VisitPoints(PointId(uint64_t{2}), [&](const PointId& id, Slot) {
    ids.push_back(std::get<uint64_t>(id));
    return true;
  }));
  EXPECT_EQ(ids, (std::vector<uint64_t>{5, 300}));
}

}  // namespace
}  // namespace almagest
