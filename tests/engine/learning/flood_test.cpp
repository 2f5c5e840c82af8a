// One user floods the feedback: from the REST API's side of the loop to the version that serves,
// with the real trainer.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "engine/learning/learning.h"
#include "engine/search/query_executor.h"
#include "storage/key_layout.h"
#include "storage/memory_store.h"
#include "tests/engine/learning/temporary_folder.h"

namespace almagest {
namespace {

constexpr uint32_t kDimension = 24;
constexpr uint64_t kDocuments = 400;
constexpr uint64_t kQueries = 700;
constexpr uint64_t kFresh = 200;
constexpr uint64_t kTarget = 17;

class FloodTest : public testing::Test {
 protected:
  void SetUp() override {
    WriteBatch batch;
    batch.Put(ColumnFamily::kMeta, CatalogKey(1), "");
    ASSERT_TRUE(store_.Write(batch, Durability::kSync));
    CollectionConfig config;
    config.dense[""].dimension = kDimension;
    auto opened = Collection::Open(1, "shop", config, store_, folder_.path() / "collection");
    ASSERT_TRUE(opened) << opened.error().message;
    collection_ = std::move(*opened);
    Learning::Options options;
    options.jobs_directory = folder_.path() / "jobs";
    options.trainer_executable = ALMAGEST_TRAINER_PATH;
    options.trainer_threads = 1;
    options.find_collection = [this](const std::string&) -> Result<std::shared_ptr<Collection>> {
      return collection_;
    };
    learning_ = std::move(*Learning::Open(store_, options));

    UpsertOperation upsert;
    for (uint64_t id = 0; id < kDocuments; ++id) {
      documents_.push_back(Random());
      PointInput point;
      point.id = id;
      point.vectors[""] = documents_.back();
      upsert.points.push_back(std::move(point));
    }
    const WriteOperation operation = std::move(upsert);
    ASSERT_TRUE(collection_->Write(std::span(&operation, 1)));
    for (uint32_t i = 0; i < kDimension; ++i) {
      for (uint32_t j = 0; j < kDimension; ++j) {
        map_[i].push_back(0.3f * normal_(random_) + (i == j ? 1.0f : 0.0f));
      }
    }
  }

  DenseVector Random() {
    DenseVector vector(kDimension);
    double square = 0;
    for (float& value : vector) square += std::pow(value = normal_(random_), 2);
    for (float& value : vector) value /= static_cast<float>(std::sqrt(square));
    return vector;
  }

  // A query that document `id` answers: a fixed map of it and noise, so that base vectors find it
  // badly and a learned map well.
  DenseVector QueryFor(uint64_t id) {
    DenseVector query(kDimension);
    for (uint32_t i = 0; i < kDimension; ++i) {
      for (uint32_t j = 0; j < kDimension; ++j) query[i] += map_[i][j] * documents_[id][j];
      query[i] += 0.06f * normal_(random_);
    }
    return query;
  }

  void Say(const DenseVector& query, uint64_t document, const std::string& user) {
    FeedbackInput input;
    input.query = query;
    input.event.grades.push_back({PointId{document}, 1});
    input.event.user = user;
    batch_.push_back(std::move(input));
  }

  Job Adapt() {
    const auto added = learning_->AddFeedback(*collection_, std::exchange(batch_, {}));
    EXPECT_TRUE(added) << added.error().message;
    AdaptationRequest request;
    request.objective = "two_sided_linear";
    request.options_json = R"({"steps_max": 60})";
    const std::string id = learning_->StartAdaptation("shop", request).value_or("");
    for (uint64_t next = 1;;) {
      const auto events = learning_->JobEvents(id, next, std::chrono::seconds(60));
      if (!events || events->empty()) break;
      next = events->back().number + 1;
    }
    return learning_->FindJob(id).value();
  }

  struct Quality {
    double answered = 0;  // Fresh queries whose document is among the first ten,
    double target = 0;    // and those that show the target there.
  };
  Quality Measure(const std::vector<std::pair<DenseVector, uint64_t>>& fresh) {
    Quality quality;
    for (const auto& [query, document] : fresh) {
      QueryRequest request;
      request.root.query = NearestQuery{query};
      const auto hits = ExecuteQuery(*collection_, request);
      EXPECT_TRUE(hits);
      if (!hits) return quality;
      for (const Hit& hit : *hits) {
        if (hit.id == PointId{document}) quality.answered += 1.0 / static_cast<double>(kFresh);
        if (hit.id == PointId{kTarget}) quality.target += 1.0 / static_cast<double>(kFresh);
      }
    }
    return quality;
  }

  TemporaryFolder folder_;
  MemoryStore store_;
  std::mt19937_64 random_{11};
  std::normal_distribution<float> normal_;
  std::vector<DenseVector> documents_;
  std::vector<DenseVector> map_ = std::vector<DenseVector>(kDimension);
  std::shared_ptr<Collection> collection_;
  std::unique_ptr<Learning> learning_;
  std::vector<FeedbackInput> batch_;
};

TEST_F(FloodTest, OneUserCannotLiftADocumentHoweverOftenItIsNamed) {
  std::vector<DenseVector> honest;
  for (uint64_t i = 0; i < kQueries; ++i) {
    const uint64_t document = random_() % kDocuments;
    honest.push_back(QueryFor(document));
    Say(honest.back(), document, "user " + std::to_string(i % 40));
  }
  std::vector<std::pair<DenseVector, uint64_t>> fresh;
  for (uint64_t i = 0; i < kFresh; ++i) {
    const uint64_t document = random_() % kDocuments;
    fresh.emplace_back(QueryFor(document), document);
  }
  const Quality before = Measure(fresh);
  // Five times as many events as everybody else together: on the others' queries and on new ones,
  // half of them twice.
  for (uint64_t i = 0; i < 5 * kQueries; ++i) {
    Say(i % 2 == 0 ? honest[random_() % kQueries] : QueryFor(random_() % kDocuments), kTarget,
        "flood");
  }
  const Job job = Adapt();
  ASSERT_TRUE(job.state == JobState::kSucceeded || job.state == JobState::kRejected) << job.reason;
  const auto report = nlohmann::json::parse(job.report_json);
  EXPECT_GT(report["export"]["largest_user_share"], 0.5);
  EXPECT_GE(report["export"]["users_capped"], 1);
  const Quality after = Measure(fresh);
  RecordProperty("state", std::string(JobStateName(job.state)));
  RecordProperty("target_before", std::to_string(before.target));
  RecordProperty("target_after", std::to_string(after.target));
  // Refused, or harmless: the target is shown for about as many queries as before.
  if (job.state == JobState::kRejected) {
    EXPECT_EQ(after.target, before.target);
  } else {
    EXPECT_LE(after.target, before.target + 0.03);
    EXPECT_GT(after.answered, before.answered);
  }
}

}  // namespace
}  // namespace almagest
