#include <gtest/gtest.h>

#include "storage/base/safetensors.h"
#include "storage/key_layout.h"
#include "storage/record_codec.h"
#include "tests/engine/collection/collection_fixture.h"
#include "tests/engine/collection/naive_model.h"

namespace almagest {
namespace {

class VersionsTest : public CollectionTest {
 protected:
  void Fill(uint64_t first, uint64_t count) {
    std::vector<PointInput> points;
    for (uint64_t id = first; id < first + count; ++id) points.push_back(RandomPoint(random, id));
    ASSERT_TRUE(model.Apply({UpsertOperation{points, UpdateMode::kUpsert, {}}}));
    Upsert(points);
  }
  VersionId Add(bool maps_documents = true) {
    const auto id =
        collection->AddVersion("", {}, RandomAdapter(random, kTestDimension, maps_documents));
    EXPECT_TRUE(id) << id.error().message;
    return *id;
  }
  void Activate(VersionId version) {
    const auto activated = collection->ActivateVersion("", version);
    ASSERT_TRUE(activated) << activated.error().message;
  }
  // A search as any version gives the scores of the definition.
  void ExpectScores(VersionId version) {
    ASSERT_TRUE(collection->PrepareVersion("", version));
    const auto versions = *collection->Versions("");
    const DenseVector query = RandomVector(random, kTestDimension);
    const auto scores = ScoreAll(*collection, "", query, version);
    EXPECT_EQ(scores.size(), model.points.size());
    for (const auto& [id, point] : model.points) {
      EXPECT_NEAR(
          scores.at(collection->FindSlot(id)),
          DirectScore(*versions, version, query, std::get<DenseVector>(point.vectors.at(""))),
          2e-4);
    }
  }

  void DeleteTen() {
    std::vector<PointId> some;
    for (uint64_t id = 0; id < 10; ++id) some.push_back(id);
    ASSERT_TRUE(model.Apply({DeletePointsOperation{some}}));
    Delete(some);
  }

  NaiveModel model;
};

TEST_F(VersionsTest, EveryVersionSearchesRowsOfEveryOther) {
  Fill(0, 30);
  OptimizeAll();
  Activate(Add());
  Fill(30, 30);
  collection->PauseReembedding(true);
  OptimizeAll();
  Activate(Add());
  Fill(60, 10);
  for (VersionId version = 0; version <= 2; ++version) {
    SCOPED_TRACE("as version " + std::to_string(version));
    ExpectScores(version);
  }
  const auto progress = collection->Reembedding("");
  EXPECT_EQ(progress->target, 2u);
  EXPECT_EQ(progress->rows_done, 10u);
  EXPECT_EQ(progress->rows_total, 70u);
  EXPECT_TRUE(progress->paused);
  Reopen();
  for (VersionId version = 0; version <= 2; ++version) ExpectScores(version);
  OptimizeAll();
  EXPECT_EQ(collection->Reembedding("")->rows_done, 70u);
  for (VersionId version = 0; version <= 2; ++version) ExpectScores(version);
}

TEST_F(VersionsTest, WhatARollbackNeedsStaysThroughRewritesAndWhatAnEvaluationMadeDoesNot) {
  Fill(0, 30);
  OptimizeAll();
  collection->PauseReembedding(true);
  Activate(Add());
  Activate(Add());
  const VersionId candidate = Add();
  ASSERT_TRUE(collection->PrepareVersion("", candidate));
  DeleteTen();
  collection->PauseReembedding(false);
  OptimizeAll();
  for (const auto& segment : collection->view()->segments) {
    ASSERT_NE(segment->row_factors(0, 1), nullptr);
    EXPECT_EQ(segment->row_factors(0, 1)->scale.size(), segment->row_count());
    EXPECT_EQ(segment->row_factors(0, candidate), nullptr);
  }
  for (VersionId version = 0; version <= candidate; ++version) ExpectScores(version);
}

TEST_F(VersionsTest, AnAdapterThatCannotBeReadKeepsNoSegmentFromBeingRewritten) {
  Fill(0, 30);
  Activate(Add());
  Activate(Add());
  OptimizeAll();
  const std::string key = LearningKey(1, LearningKind::kAdapter, VersionNumber(0, 1));
  ASSERT_TRUE(*store->Get(ColumnFamily::kLearning, key)) << "the collection's id is 1";
  WriteBatch damage;
  damage.Put(ColumnFamily::kLearning, key, "damaged");
  ASSERT_TRUE(store->Write(damage, Durability::kSync));
  Reopen();
  EXPECT_FALSE(collection->PrepareVersion("", 1));
  Fill(30, 30);
  for (const auto& segment : collection->view()->segments) {
    auto factors = std::make_shared<RowFactors>();
    segment->SetRowFactors(0, 1, factors, /*keep=*/true);  // As if it had been prepared before.
  }
  DeleteTen();
  OptimizeAll();
  for (const auto& segment : collection->view()->segments) {
    EXPECT_TRUE(segment->sealed());
    EXPECT_EQ(segment->row_factors(0, 1), nullptr);
  }
  ExpectScores(2);
  ExpectScores(0);
}

// Folders from before matrices were records of their own.
TEST_F(VersionsTest, AdaptersStoredBesideWhatIsKnownOfThemAreRead) {
  Fill(0, 30);
  OptimizeAll();
  collection->PauseReembedding(true);
  Activate(Add());
  Activate(Add());
  Add(false);
  for (uint32_t version = 1; version <= 3; ++version) {
    const auto key = [&](LearningKind kind) {
      return LearningKey(1, kind, VersionNumber(0, version));
    };
    const auto read = [&](LearningKind kind) {
      return *DecodeRecord<VersionRecord>(**store->Get(ColumnFamily::kLearning, key(kind)));
    };
    VersionRecord record = read(LearningKind::kVersion);
    record.blobs = read(LearningKind::kAdapter).blobs;
    ASSERT_EQ(record.blobs.size(), 1u);
    record.body.replace(record.body.find("document_key"), 12, "other_number");
    std::string bytes = EncodeRecord(record);
    bytes[0] = 1;  // The format version.
    WriteBatch batch;
    batch.Put(ColumnFamily::kLearning, key(LearningKind::kVersion), bytes);
    batch.Delete(ColumnFamily::kLearning, key(LearningKind::kAdapter));
    ASSERT_TRUE(store->Write(batch, Durability::kSync));
  }
  Reopen();
  for (VersionId version = 0; version <= 3; ++version) ExpectScores(version);
  EXPECT_TRUE((*collection->Versions(""))->SameDocumentMap(0, 3));
  Activate(1);
  Reopen();
  for (VersionId version = 0; version <= 3; ++version) ExpectScores(version);
}

TEST_F(VersionsTest, ActivationForgetsTheFactorsOfAllButTwoVersions) {
  Fill(0, 30);
  OptimizeAll();
  collection->PauseReembedding(true);
  for (VersionId version = 1; version <= 5; ++version) Activate(Add());
  for (const auto& segment : collection->view()->segments) {
    EXPECT_EQ(segment->row_factors(0, 1), nullptr);
    EXPECT_EQ(segment->row_factors(0, 3), nullptr);
    EXPECT_NE(segment->row_factors(0, 4), nullptr) << "a rollback has to be ready";
    EXPECT_NE(segment->row_factors(0, 5), nullptr);
  }
  for (VersionId version = 0; version <= 5; ++version) ExpectScores(version);
}

TEST_F(VersionsTest, ARemovedVectorTakesItsVersionsAlong) {
  Fill(0, 30);
  OptimizeAll();
  collection->PauseReembedding(true);
  Activate(Add());
  Activate(Add());
  Fill(30, 5);
  const auto before = collection->view();
  const std::weak_ptr<const VersionSet> versions = before->versions.at(0);
  const auto stored = [&](LearningKind kind) {
    size_t count = 0;
    const KeyRange range = LearningRange(1, kind);
    EXPECT_TRUE(store->Scan(ColumnFamily::kLearning, range.first, range.limit,
                            [&](std::string_view, std::string_view) { return ++count > 0; }));
    return count;
  };
  EXPECT_EQ(stored(LearningKind::kVersion), 2u);
  EXPECT_EQ(stored(LearningKind::kAdapter), 2u);
  ASSERT_TRUE(collection->RemoveVector("", [](const CollectionConfig&, WriteBatch*) {}));
  EXPECT_EQ(stored(LearningKind::kVersion), 0u);
  EXPECT_EQ(stored(LearningKind::kAdapter), 0u);
  EXPECT_EQ(collection->view()->versions.at(0)->versions().size(), 1u);
  EXPECT_FALSE(collection->ActivateVersion("", 1));
  OptimizeAll();
  EXPECT_FALSE(collection->AddVersion("", {}, RandomAdapter(random, kTestDimension, true)));
}

TEST_F(VersionsTest, AQueryOnlyVersionReembedsNothing) {
  Fill(0, 40);
  OptimizeAll();
  const auto segments = collection->view()->segments;
  Activate(Add(false));
  Fill(40, 5);
  EXPECT_EQ(collection->Reembedding("")->rows_done, 45u);
  EXPECT_FALSE(collection->Info().optimizing);
  EXPECT_EQ(collection->view()->segments[0], segments[0]);
  ExpectScores(1);
}

TEST_F(VersionsTest, StatusAndMetadataSurviveARestart) {
  Fill(0, 5);
  AdapterVersion uploaded;
  uploaded.kind = "whitening";
  uploaded.created_at_ms = 1234;
  uploaded.job_id = "job-7";
  uploaded.report_json = R"({"gain":0.1})";
  ASSERT_EQ(collection->AddVersion("", uploaded, RandomAdapter(random, kTestDimension, true)), 1u);
  AdapterVersion rejected;
  rejected.status = VersionStatus::kRejected;
  ASSERT_EQ(collection->AddVersion("", rejected, RandomAdapter(random, kTestDimension, true)), 2u);
  Add();
  Activate(1);
  Activate(3);
  const auto refused = collection->ActivateVersion("", 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kFailedPrecondition);
  Reopen();
  const auto versions = *collection->Versions("");
  EXPECT_EQ(versions->active(), 3u);
  EXPECT_EQ(versions->Find(0)->status, VersionStatus::kRetired);
  EXPECT_EQ(versions->Find(1)->status, VersionStatus::kRetired);
  EXPECT_EQ(versions->Find(1)->kind, "whitening");
  EXPECT_EQ(versions->Find(1)->created_at_ms, 1234);
  EXPECT_EQ(versions->Find(1)->job_id, "job-7");
  EXPECT_EQ(versions->Find(1)->report_json, R"({"gain":0.1})");
  EXPECT_EQ(versions->Find(2)->status, VersionStatus::kRejected);
  EXPECT_EQ(versions->Find(1)->maps, nullptr) << "a start reads only the active version's maps";
  EXPECT_NE(versions->Find(3)->maps, nullptr);
  EXPECT_EQ(versions->Find(3)->kind, "two_sided_linear");
  EXPECT_EQ(collection->RollbackVersion(""), 1u);
  EXPECT_TRUE(collection->ActivateVersion("", 2, true));
  ExpectScores(2);
}

TEST_F(VersionsTest, BadAdaptersAndFieldsAreRefused) {
  const auto code = [&](const std::string& name, const std::string& adapter,
                        AdapterVersion version = {}) {
    const auto added = collection->AddVersion(name, version, adapter);
    return added ? ErrorCode::kInternal : added.error().code;
  };
  const std::string good = RandomAdapter(random, kTestDimension, true);
  EXPECT_EQ(code("euclid", RandomAdapter(random, 3, true)), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(code("terms", good), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("nothing", good), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("dot", good), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("", "no safetensors"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code("", good.substr(0, good.size() - 4)), ErrorCode::kInvalidArgument);
  AdapterVersion orphan;
  orphan.parent = 9;
  EXPECT_EQ(code("", good, orphan), ErrorCode::kNotFound);

  std::vector<float> singular(kTestDimension * kTestDimension, 1.0f);
  std::vector<float> bias(kTestDimension, 0.0f);
  SafetensorsWriter writer;
  writer.SetMetadata("format_version", "1");
  writer.SetMetadata("document_side", "linear");
  writer.SetMetadata("dimension", std::to_string(kTestDimension));
  for (const char* side : {"query", "document"}) {
    writer.AddFloat32(std::string(side) + "_weight", {kTestDimension, kTestDimension}, singular);
    writer.AddFloat32(std::string(side) + "_bias", {kTestDimension}, bias);
  }
  EXPECT_EQ(code("", writer.Serialize()), ErrorCode::kFailedPrecondition);
  EXPECT_EQ((*collection->Versions(""))->versions().size(), 1u);
  EXPECT_EQ(collection->ActivateVersion("", 1).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(collection->RollbackVersion("").error().code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(Add(), 1u);
}

}  // namespace
}  // namespace almagest
