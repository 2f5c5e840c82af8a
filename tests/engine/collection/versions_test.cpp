#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <future>

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

TEST_F(VersionsTest, TheMapForRowsOfAVersionGoesWithItsLastSegment) {
  Fill(0, 50);
  OptimizeAll();
  collection->PauseReembedding(true);
  Activate(Add());
  const std::weak_ptr<const CrossVersionMap> composed = *(*collection->Versions(""))->Cross(1, 0);
  EXPECT_FALSE(composed.expired());
  collection->PauseReembedding(false);
  OptimizeAll();
  EXPECT_TRUE(composed.expired());
  ExpectScores(1);
}

// Calls back when a certain adapter is read.
class WatchedStore : public MemoryStore {
 public:
  Result<std::optional<std::string>> Get(ColumnFamily family, std::string_view key,
                                         const StoreSnapshot* snapshot) const override {
    if (family == ColumnFamily::kLearning && key == watched) on_read();
    return MemoryStore::Get(family, key, snapshot);
  }
  std::string watched;
  std::function<void()> on_read;
};

// Version 3 becomes active when rows of version 1 were rewritten as ones of 2: the new segment has
// to be prepared for 3, which needs the matrices of 2, which are not in memory.
TEST_F(VersionsTest, WritesGoOnWhileARewrittenSegmentIsPreparedForTheVersionThatCameMeanwhile) {
  collection.reset();
  auto owned = std::make_unique<WatchedStore>();
  WatchedStore& watched = *owned;
  store = std::move(owned);
  Reopen();
  Activate(Add());
  Fill(0, 30);
  OptimizeAll();
  Activate(Add());
  Add();
  Reopen();
  int reads = 0;
  std::future<void> write;  // Waited for at the end, if it is not done before.
  watched.on_read = [&] {
    if (++reads > 1) return;
    write = std::async(std::launch::async, [&] { Fill(30, 5); });
    EXPECT_EQ(write.wait_for(std::chrono::seconds(60)), std::future_status::ready)
        << "the write waits for the rewrite";
  };
  const auto files = [&] {
    return std::ranges::count_if(
        std::filesystem::directory_iterator(directory.path()),
        [](const auto& entry) { return entry.path().extension() != ".tmp"; });
  };
  const auto files_before = files();
  bool activated = false;
  const auto rewritten = collection->OptimizeOnce([&](double) {
    if (!activated && files() > files_before) {  // The new segment's is complete.
      activated = true;
      Activate(3);
      watched.watched = LearningKey(1, LearningKind::kAdapter, VersionNumber(0, 2));
    }
    return true;
  });
  ASSERT_TRUE(rewritten) << rewritten.error().message;
  EXPECT_TRUE(*rewritten && activated);
  EXPECT_EQ(reads, 1);
  watched.watched.clear();
  EXPECT_EQ(collection->view()->segments[0]->dense(0)->version, 2u);
  for (VersionId version = 0; version <= 3; ++version) ExpectScores(version);
}

// Folders from before matrices were records of their own.
class OldVersionsTest : public VersionsTest {
 protected:
  static std::string Key(LearningKind kind, VersionId version) {
    return LearningKey(1, kind, VersionNumber(0, version));
  }
  VersionRecord Read(LearningKind kind, VersionId version) {
    return *DecodeRecord<VersionRecord>(**store->Get(ColumnFamily::kLearning, Key(kind, version)));
  }
  // Three versions, the second one active, as an earlier program stored them.
  void MakeOld() {
    Fill(0, 30);
    OptimizeAll();
    collection->PauseReembedding(true);
    Activate(Add());
    Activate(Add());
    Add(false);
    for (VersionId version = 1; version <= 3; ++version) {
      VersionRecord record = Read(LearningKind::kVersion, version);
      record.blobs = Read(LearningKind::kAdapter, version).blobs;
      ASSERT_EQ(record.blobs.size(), 1u);
      record.body.replace(record.body.find("document_key"), 12, "other_number");
      std::string bytes = EncodeRecord(record);
      bytes[0] = 1;  // The format version.
      WriteBatch batch;
      batch.Put(ColumnFamily::kLearning, Key(LearningKind::kVersion, version), bytes);
      batch.Delete(ColumnFamily::kLearning, Key(LearningKind::kAdapter, version));
      ASSERT_TRUE(store->Write(batch, Durability::kSync));
    }
  }
};

TEST_F(OldVersionsTest, AreStoredAnewOnceAndReadWhenTheyAreNeeded) {
  MakeOld();
  Reopen();
  for (VersionId version = 1; version <= 3; ++version) {
    EXPECT_TRUE(Read(LearningKind::kVersion, version).blobs.empty());
    EXPECT_EQ(Read(LearningKind::kAdapter, version).blobs.size(), 1u);
  }
  EXPECT_TRUE((*collection->Versions(""))->SameDocumentMap(0, 3));
  EXPECT_FALSE((*collection->Versions(""))->SameDocumentMap(0, 1));
  EXPECT_EQ((*collection->Versions(""))->Find(1)->status, VersionStatus::kRetired);
  for (VersionId version = 0; version <= 3; ++version) ExpectScores(version);
  // What was synced is enough for the next start, which writes nothing and reads no adapter but the
  // active one's.
  store = store->LoseUnsynced();
  WriteBatch damage;
  damage.Put(ColumnFamily::kLearning, Key(LearningKind::kAdapter, 1), "damaged");
  ASSERT_TRUE(store->Write(damage, Durability::kSync));
  const uint64_t writes = store->write_count();
  Reopen();
  EXPECT_EQ(store->write_count(), writes);
  for (const VersionId version : {0, 2, 3}) ExpectScores(version);
  EXPECT_FALSE(collection->PrepareVersion("", 1));
}

TEST_F(OldVersionsTest, AreOfUseWhereNothingCanBeWritten) {
  MakeOld();
  store->FailNthWrite(1, ErrorCode::kStorageFull);
  Reopen();
  EXPECT_EQ(Read(LearningKind::kVersion, 1).blobs.size(), 1u);
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
