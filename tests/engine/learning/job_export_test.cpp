// What a job folder holds: nothing of deleted feedback, and the text leg where there are texts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/collection/version_store.h"
#include "engine/learning/job_export.h"
#include "engine/learning/text_leg_export.h"
#include "engine/text/bm25.h"
#include "storage/base/file.h"
#include "storage/base/safetensors.h"
#include "tests/engine/learning/learning_fixture.h"

namespace almagest {
namespace {

class JobExportTest : public LearningFixture {
 protected:
  // Runs a job whose folder is kept under `name`.
  std::filesystem::path Export(const std::string& name) {
    const std::filesystem::path kept = folder_.path() / name;
    OpenLearning("cp -r $2 " + kept.string() + "\n" + Leaves("reject"));
    const Job job = RunJob(Request());
    EXPECT_EQ(job.state, JobState::kRejected) << job.reason;
    return kept;
  }
  static std::string Bytes(const std::filesystem::path& path) { return ReadFile(path).value(); }
};

TEST_F(JobExportTest, DeletedFeedbackLeavesTheSameBytesAsFeedbackNeverGiven) {
  AddFeedback(10, "ann");
  const auto never = Export("never");
  AddFeedback(25, "bob");  // Some on the same queries, some on others.
  const auto with = Export("with");
  FeedbackFilter of_bob;
  of_bob.user = "bob";
  ASSERT_EQ(*learning_->DeleteFeedback(*collection_, of_bob), 25u);
  const auto after = Export("after");
  for (const char* file : {"vectors.safetensors", "judgements.safetensors"}) {
    EXPECT_EQ(Bytes(never / file), Bytes(after / file)) << file;
    EXPECT_NE(Bytes(never / file), Bytes(with / file)) << file;
  }
  EXPECT_EQ(Bytes(never / "query_names.safetensors"), Bytes(after / "query_names.safetensors"))
      << "Ann's events came first.";
  // With the same seed the trainer's result is a function of these bytes (RunJob.TheSameSeed...).
  auto config_never = nlohmann::json::parse(Bytes(never / "config.json"));
  auto config_after = nlohmann::json::parse(Bytes(after / "config.json"));
  config_never.erase("job_id");
  config_after.erase("job_id");
  // How often the gate has judged is no secret of the events, and changes no weight.
  EXPECT_EQ(config_never["gate_number"], 1);
  config_never.erase("gate_number");
  config_after.erase("gate_number");
  EXPECT_EQ(config_never, config_after);
}

TEST_F(JobExportTest, TextsGiveATextLeg) {
  const auto text_of = [](uint64_t id) { return "name" + std::to_string(id) + " common"; };
  const Bm25 model = Bm25::Create({}).value();
  UpsertOperation upsert;
  for (uint64_t id = 0; id < 40; ++id) {
    SparseTerms terms = model.Document(text_of(id));
    PointInput point;
    point.id = id;
    point.vectors["text"] = VectorOf(id);
    point.vectors["terms"] = MakeSparseVector(terms.indices, terms.values).value();
    upsert.points.push_back(std::move(point));
  }
  const WriteOperation operation = std::move(upsert);
  ASSERT_TRUE(collection_->Write(std::span(&operation, 1)));
  DeletePoint(3);
  const auto feedback = [&](uint64_t first, uint64_t count, bool with_text) {
    std::vector<FeedbackInput> inputs;
    for (uint64_t i = first; i < first + count; ++i) {
      inputs.push_back(Graded(500 + i, 20, 1));
      if (with_text) inputs.back().event.query_text = "name" + std::to_string(i);
    }
    ASSERT_TRUE(learning_->AddFeedback(*collection_, inputs));
  };
  feedback(4, kTextLegQueriesMin - 1, true);
  feedback(30, 2, false);
  EXPECT_FALSE(std::filesystem::exists(Export("few") / "text_leg.safetensors"));
  feedback(2, 1, true);
  const auto kept = Export("kept");
  const auto file = Safetensors::Open(kept / "text_leg.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  const auto names = Safetensors::Open(kept / "query_names.safetensors");
  ASSERT_TRUE(names) << names.error().message;
  const TensorView* events = names->Find("event");
  ASSERT_NE(events, nullptr);
  const std::vector<int64_t> ids(events->as_int64().begin(), events->as_int64().end());
  EXPECT_TRUE(std::ranges::is_sorted(ids)) << "queries are in the order of their first events";
  const TensorView* documents = file->Find("documents");
  ASSERT_NE(documents, nullptr);
  const auto queries = static_cast<int64_t>(kTextLegQueriesMin) + 2;
  EXPECT_EQ(documents->shape, (std::vector<int64_t>{queries, kTextLegDepth}));
  // Query row 0 is "name4": point 4, whose row is 3 since point 3 is gone. Nothing else has it.
  const auto rows = documents->as_int32();
  EXPECT_EQ(rows[0], 3);
  EXPECT_EQ(rows[1], -1);
  const size_t without = (kTextLegQueriesMin - 1) * kTextLegDepth;  // "Query 30", without a text.
  EXPECT_EQ(rows[without], -1);
  EXPECT_EQ(rows[(kTextLegQueriesMin + 1) * kTextLegDepth], 2);  // "name2"
}

TEST_F(JobExportTest, WordsGiveNeighboursOfDocuments) {
  AddFeedback(10);
  // Without words there are none.
  EXPECT_FALSE(std::filesystem::exists(Export("none") / "neighbours.safetensors"));
  const Bm25 model = Bm25::Create({}).value();
  UpsertOperation upsert;
  for (uint64_t id = 0; id < 40; ++id) {  // Pairs share a word: 0 and 1, 2 and 3, ...
    PointInput point;
    point.id = id;
    point.vectors["text"] = VectorOf(id);
    SparseTerms terms = model.Document("pair" + std::to_string(id / 2));
    if (id != 7) {
      point.vectors["terms"] = MakeSparseVector(terms.indices, terms.values).value();
    }
    upsert.points.push_back(std::move(point));
  }
  const WriteOperation operation = std::move(upsert);
  ASSERT_TRUE(collection_->Write(std::span(&operation, 1)));
  DeletePoint(3);
  const auto file = Safetensors::Open(Export("kept") / "neighbours.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  const auto documents = file->Find("documents")->as_int32();
  const auto neighbours = file->Find("neighbours")->as_int32();
  ASSERT_EQ(neighbours.size(), documents.size() * kNeighbourDepth);
  // Rows from 3 on are one below the ids. Point 7 has no words, the partner of 2 is gone.
  ASSERT_EQ(documents.size(), 38u);
  for (size_t i = 0; i < documents.size(); ++i) {
    SCOPED_TRACE(documents[i]);
    const int32_t id = documents[i] < 3 ? documents[i] : documents[i] + 1;
    EXPECT_NE(id, 7);
    const int32_t partner = id ^ 1;
    const int32_t row = partner < 3 ? partner : partner - 1;
    EXPECT_EQ(neighbours[i * kNeighbourDepth], id == 2 || id == 6 ? -1 : row);
    EXPECT_EQ(neighbours[i * kNeighbourDepth + 1], -1);
  }
}

// A version as a job gets it is what the server reads, hidden layer and all.
TEST_F(JobExportTest, AVersionSurvivesTheWayThroughItsFile) {
  for (const int64_t experts : {0, 2}) {
    SCOPED_TRACE(experts);
    ResidualTensors residual{4, experts, {}, {}, {}, {}, {}};
    residual.hidden_weight.assign(4 * kDimension, 0.25f);
    residual.hidden_bias = {1, 2, 3, 4};
    residual.output_weight.assign(4 * kDimension, -0.5f);
    residual.route_weight.assign(static_cast<size_t>(experts) * kDimension, 2.0f);
    residual.route_bias.assign(static_cast<size_t>(experts), 3.0f);
    AdapterMaps maps;
    maps.query_residual = std::make_shared<const QueryResidual>(kDimension, residual);
    const auto path = folder_.path() / "version";
    ASSERT_TRUE(WriteAdapterFile(path, "query_mixture", maps, kDimension));
    AdapterVersion version;
    const auto parsed = ParseAdapter(Bytes(path), kDimension, &version);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(version.kind, "query_mixture");
    ASSERT_NE(version.maps->query_residual, nullptr);
    EXPECT_EQ(version.maps->query_residual->tensors(), residual);
    EXPECT_EQ(version.maps->document, nullptr);
    EXPECT_EQ(version.maps->query->weights()[0], 1);
  }
}

}  // namespace
}  // namespace almagest
