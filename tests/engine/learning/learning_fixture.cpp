#include "tests/engine/learning/learning_fixture.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "storage/base/safetensors.h"
#include "storage/key_layout.h"

namespace almagest {

void LearningFixture::SetUp() {
  WriteBatch batch;  // Jobs are looked for in the collections of the catalog.
  batch.Put(ColumnFamily::kMeta, CatalogKey(kCollection), "");
  ASSERT_TRUE(store_.Write(batch, Durability::kSync));
  CollectionConfig config;
  config.dense["text"].dimension = kDimension;
  config.dense["shape"].dimension = 2;
  config.dense["shape"].distance = Distance::kEuclid;
  config.sparse["terms"].idf = true;
  auto collection =
      Collection::Open(kCollection, "words", config, store_, folder_.path() / "collection");
  ASSERT_TRUE(collection) << collection.error().message;
  collection_ = std::move(*collection);
  Upsert(0, 40);

  std::vector<float> weights(kDimension * kDimension, 0.0f);
  for (size_t i = 0; i < kDimension; ++i) weights[i * kDimension + i] = i == 0 ? 2.0f : 1.0f;
  const std::vector<float> bias(kDimension, 0.0f);
  SafetensorsWriter adapter;
  adapter.SetMetadata("format_version", "1");
  adapter.SetMetadata("kind", "two_sided_linear");
  adapter.SetMetadata("document_side", "linear");
  adapter.SetMetadata("dimension", std::to_string(kDimension));
  for (const std::string side : {"query", "document"}) {
    adapter.AddFloat32(side + "_weight", {kDimension, kDimension}, weights);
    adapter.AddFloat32(side + "_bias", {kDimension}, bias);
  }
  ASSERT_TRUE(adapter.Write(folder_.path() / "adapter"));
  OpenLearning(Leaves("promote"));
}

void LearningFixture::OpenLearning(const std::string& trainer_script) {
  learning_.reset();
  Learning::Options options;
  options.jobs_directory = folder_.path() / "jobs";
  options.trainer_executable = folder_.Script("trainer", trainer_script);
  options.find_collection = [this](const std::string& name) -> Result<std::shared_ptr<Collection>> {
    if (name == "words") return collection_;
    return Fail(ErrorCode::kNotFound, "Collection `" + name + "` doesn't exist!");
  };
  options.collections = [this] { return std::vector{collection_}; };
  options.keeper_seconds = 3'600;  // Tests call Keep themselves.
  options.exploration_seed = 7;
  auto learning = Learning::Open(store_, options);
  ASSERT_TRUE(learning) << learning.error().message;
  learning_ = std::move(*learning);
}

DenseVector LearningFixture::VectorOf(uint64_t id) {
  const auto angle = static_cast<float>(id) * 0.031f;
  const float part = static_cast<float>(id % 7) * 0.1f;
  const float rest = std::sqrt(1 - part * part);
  return {rest * std::cos(angle), rest * std::sin(angle), part, 0};
}

void LearningFixture::Upsert(uint64_t first, uint64_t limit) {
  UpsertOperation upsert;
  for (uint64_t id = first; id < limit; ++id) {
    PointInput point;
    point.id = id;
    point.vectors["text"] = VectorOf(id);
    upsert.points.push_back(std::move(point));
  }
  const WriteOperation operation = std::move(upsert);
  const auto written = collection_->Write(std::span(&operation, 1));
  ASSERT_TRUE(written) << written.error().message;
}

void LearningFixture::DeletePoint(uint64_t id) {
  const WriteOperation operation = DeletePointsOperation{std::vector<PointId>{id}};
  ASSERT_TRUE(collection_->Write(std::span(&operation, 1)));
}

FeedbackInput LearningFixture::Graded(uint64_t query_point, uint64_t point, double grade,
                                      const std::string& user) {
  FeedbackInput input;
  input.query = VectorOf(query_point);
  input.event.vector_name = "text";
  input.event.grades.push_back({PointId{point}, grade});
  input.event.user = user;
  return input;
}

void LearningFixture::AddFeedback(uint64_t count, const std::string& user) {
  std::vector<FeedbackInput> inputs;
  for (uint64_t i = 0; i < count; ++i) inputs.push_back(Graded(500 + i, i, 1, user));
  const auto added = learning_->AddFeedback(*collection_, inputs);
  ASSERT_TRUE(added) << added.error().message;
}

AdaptationRequest LearningFixture::Request(const std::string& objective) {
  AdaptationRequest request;
  request.vector_name = "text";
  request.objective = objective;
  return request;
}

std::string LearningFixture::StartJob(const AdaptationRequest& request) {
  const auto id = learning_->StartAdaptation("words", request);
  EXPECT_TRUE(id) << id.error().message;
  return id.value_or("");
}

Job LearningFixture::WaitUntilOver(const std::string& id) {
  for (uint64_t next = 1;;) {
    const auto events = learning_->JobEvents(id, next, std::chrono::seconds(20));
    if (!events || events->empty()) break;
    next = events->back().number + 1;
  }
  return learning_->FindJob(id).value();
}

Job LearningFixture::RunJob(const AdaptationRequest& request) {
  return WaitUntilOver(StartJob(request));
}

std::string LearningFixture::Leaves(const std::string& verdict, const std::string& status) {
  const std::string adapter = (folder_.path() / "adapter").string();
  return "cp " + adapter + " $2/adapter.safetensors\n" +
         R"(echo '{"event":"phase","name":"training","fraction":0.0}' >> $2/progress.jsonl
cat > $2/report.json <<'END'
{"format_version": 1, "status": ")" +
         status + R"(", "reason": "as the test says", "kind": "two_sided_linear",
 "metrics": {"trained": {"ndcg_at_10": {"mean": 0.5}}}, "changes": {"won": 1, "lost": 0, "unchanged": 0, "lost_most": [],
             "won_most": [{"query": 0, "event": 1, "active": 0.25, "trained": 0.5},
                          {"query": 9, "event": 15, "active": 0.5, "trained": 0.75}]},
 "gate": {"verdict": ")" +
         verdict + R"(", "conditions": []}}
END
)";
}

VersionId LearningFixture::active() const {
  return collection_->Versions("text").value()->active();
}

const AdapterVersion* LearningFixture::FindVersion(VersionId id) const {
  return collection_->Versions("text").value()->Find(id);
}

size_t LearningFixture::version_count() const {
  return collection_->Versions("text").value()->versions().size();
}

std::string LearningFixture::Describe(VersionId id) const {
  const auto text = learning_->DescribeVersions(*collection_, "text", id, 1);
  const auto json = nlohmann::json::parse(text.value());
  const auto& version = json["versions"].at(0);
  return version["version"] == id ? version.dump() : "";
}

}  // namespace almagest
