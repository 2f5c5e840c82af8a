// Training maps of queries with a hidden layer: two domains that want opposite things, whole jobs,
// and how the trainer chooses by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <random>

#include "tests/training/synthetic_job.h"
#include "training/candidate_selection.h"
#include "training/evaluation.h"
#include "training/linear_adapter.h"
#include "training/recipe_training.h"
#include "training/run_job.h"
#include "training/training_corpus.h"

namespace almagest::training {
namespace {

constexpr int64_t kDimension = 16;
constexpr size_t kDocuments = 300;

// Documents of both domains are the same. A query is its document turned by the map of its domain,
// and a mark of the domain: no one linear map turns both back.
struct TwoDomains {
  SyntheticJob job;
  std::vector<int> domain;  // Of each query.

  TwoDomains(uint64_t seed, size_t queries) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    const auto d = static_cast<size_t>(kDimension);
    job = MakeSyntheticJob(seed, 2, 1);
    job.dimension = kDimension;
    job.config["dimension"] = kDimension;
    for (auto* rows : {&job.documents, &job.queries}) rows->clear();
    for (auto* column : {&job.query, &job.document, &job.user}) column->clear();
    for (auto* column : {&job.grade, &job.weight}) column->clear();
    // The last component marks the domain; documents have none of it.
    for (size_t row = 0; row < kDocuments; ++row) {
      std::vector<double> vector(d, 0.0);
      for (size_t i = 0; i + 1 < d; ++i) vector[i] = normal(random);
      AppendUnit(vector, &job.documents);
    }
    for (size_t row = 0; row < queries; ++row) {
      const int of = static_cast<int>(random() % 2);
      const size_t answer = random() % kDocuments;
      std::vector<double> vector(d);
      for (size_t i = 0; i + 1 < d; ++i) {
        // One domain has every second one turned round, the other those between.
        const double sign = static_cast<int>(i % 2) == of ? -1 : 1;
        vector[i] = sign * job.documents[answer * d + i] + 0.03 * normal(random);
      }
      vector[d - 1] = of == 0 ? 0.7 : -0.7;
      AppendUnit(vector, &job.queries);
      domain.push_back(of);
      job.query.push_back(static_cast<int32_t>(row));
      job.document.push_back(static_cast<int32_t>(answer));
      job.grade.push_back(1);
      job.weight.push_back(1);
      job.user.push_back(static_cast<int32_t>(row % 50));
    }
  }
  std::unique_ptr<VectorSpace> Space() const {
    return *VectorSpace::Create(job.documents, job.queries,
                                {kDimension, Distance::kCosine, DeviceChoice::kCpu, 1});
  }
  // Queries from `first` to `limit`, of one domain or (-1) of both.
  std::vector<JudgedQuery> Judged(size_t first, size_t limit, int of = -1) const {
    std::vector<JudgedQuery> judged;
    for (size_t row = first; row < limit; ++row) {
      if (of >= 0 && domain[row] != of) continue;
      JudgedQuery query;
      query.query = static_cast<int32_t>(row);
      query.documents = {{job.document[row], 1, 1}};
      judged.push_back(query);
    }
    return judged;
  }
};

JobConfig Config(int64_t rank) {
  JobConfig config;
  config.dimension = kDimension;
  config.seed = 5;
  config.options.batch_size = 64;
  config.options.random_negatives = 32;
  config.options.low_rank_learning_rate = 0.01;
  config.options.rank = rank;
  config.options.experts = 2;
  config.options.hidden = 32;
  return config;
}

Candidate Recipe(Shape shape, int64_t steps) {
  Candidate recipe;
  recipe.name = "test";
  recipe.shape = shape;
  recipe.maps_documents = false;
  recipe.start = LinearAdapter::Identity(kDimension);
  recipe.steps = steps;
  return recipe;
}

double Quality(const VectorSpace& space, const LinearAdapter& map,
               const std::vector<JudgedQuery>& judged) {
  return Mean(Column(Evaluate(space, map, map, judged, 10, true, {}), &QueryMetrics::ndcg_at_10));
}

// The acceptance of routed mixtures: no worse than an adapter for each domain, no worse than one
// low-rank map of as many parameters, no expert without work.
TEST(QueryMixture, ServesTwoDomainsAsWellAsAnAdapterForEach) {
  for (const uint64_t seed : {1, 2}) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const TwoDomains data(seed, 700);
    const auto space = data.Space();
    const TemporaryFolder folder;
    const auto progress = *Progress::Open(folder.path() / "progress.jsonl");
    constexpr int64_t kRank = 8;
    constexpr int64_t kSteps = 150;  // Of each domain.
    const auto train = [&](Shape shape, int64_t rank, int64_t steps,
                           const std::vector<JudgedQuery>& judged) {
      const JobConfig config = Config(rank);
      const TrainingData known = TrainingCorpus(*space, judged, config).MakeData(judged, {});
      return *TrainCandidate(*space, known, Recipe(shape, steps), config.options, seed,
                             std::numeric_limits<double>::infinity(), progress.get());
    };
    const auto test = data.Judged(500, 700);
    double separate = 0;
    for (const int of : {0, 1}) {
      const auto own = data.Judged(500, 700, of);
      const auto trained = train(Shape::kLowRank, kRank, kSteps, data.Judged(0, 500, of));
      separate += Quality(*space, trained.adapter, own) * static_cast<double>(own.size()) /
                  static_cast<double>(test.size());
    }
    const auto both = data.Judged(0, 500);
    const double one_map =
        Quality(*space, train(Shape::kLowRank, 2 * kRank, 2 * kSteps, both).adapter, test);
    const TrainedCandidate mixture = train(Shape::kMixture, kRank, 2 * kSteps, both);
    const double mixed = Quality(*space, mixture.adapter, test);
    EXPECT_GE(mixed, separate - 0.005);
    EXPECT_GE(mixed, one_map + 0.05) << "no linear map serves both";
    ASSERT_EQ(mixture.expert_loads.size(), 2u);
    EXPECT_GE(std::ranges::min(mixture.expert_loads), 0.05f);
    EXPECT_EQ(mixture.adapter.kind, "query_mixture");
    const double mlp = Quality(*space, train(Shape::kMlp, 1, 2 * kSteps, both).adapter, test);
    EXPECT_GE(mlp, one_map);
  }
}

TEST(QueryMixture, ARecipeIsOneRunAndTheSameBitForBit) {
  const TwoDomains data(3, 200);
  const auto space = data.Space();
  const TemporaryFolder folder;
  const auto progress = *Progress::Open(folder.path() / "progress.jsonl");
  const auto judged = data.Judged(0, 200);
  for (const Shape shape : {Shape::kMlp, Shape::kMixture}) {
    SCOPED_TRACE(static_cast<int>(shape));
    Candidate recipe = Recipe(shape, 30);
    Candidate first = Recipe(Shape::kFull, 20);
    first.maps_documents = true;
    recipe.first = std::make_shared<const Candidate>(first);
    const JobConfig config = Config(4);
    const auto train = [&](int64_t runs) {
      return *TrainRecipe(*space, judged, recipe, config, runs, progress.get());
    };
    const LinearAdapter once = train(1);
    const LinearAdapter again = train(1);
    ASSERT_GT(once.query_residual.hidden, 0);
    EXPECT_EQ(once.query_residual, again.query_residual);
    EXPECT_EQ(once.query_weight, again.query_weight);
    // Documents are those of the map that is trained first, which more runs average.
    const LinearAdapter start = *TrainRecipe(*space, judged, first, config, 1, progress.get());
    EXPECT_TRUE(once.maps_documents);
    EXPECT_EQ(once.document_weight, start.document_weight);
    const LinearAdapter mean = *TrainRecipe(*space, judged, first, config, 3, progress.get());
    EXPECT_EQ(train(3).document_weight, mean.document_weight);
    EXPECT_NE(mean.document_weight, start.document_weight);
    // Through a file.
    ASSERT_TRUE(WriteAdapter(folder.path() / "a.safetensors", once, 1));
    const auto read = ReadAdapter(folder.path() / "a.safetensors", kDimension);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->query_residual, once.query_residual);
    EXPECT_EQ(Quality(*space, *read, judged), Quality(*space, once, judged));
  }
}

// The second job has the first one's version as the active one: all that measures it must map
// queries through its hidden layer.
TEST(QueryMixture, JobsWriteJudgeAndReadHiddenLayers) {
  TwoDomains data(4, 420);
  const TemporaryFolder first;
  nlohmann::json& options = data.job.config["options"];
  options["steps_max"] = 120;
  options["low_rank_learning_rate"] = 0.01;
  options["hidden"] = 24;
  options["rank"] = 8;
  options["experts"] = 2;
  data.job.config["objective"] = "query_mlp";
  const auto run = [&](const TemporaryFolder& folder) {
    data.job.Write(folder.path());
    const auto progress = *Progress::Open(folder.path() / "progress.jsonl");
    const auto result = RunJob(folder.path(), {}, progress.get());
    EXPECT_TRUE(result) << result.error().message;
    return ReadJson(folder.path() / "report.json");
  };
  const auto report = run(first);
  EXPECT_EQ(report["kind"], "query_mlp");
  EXPECT_GT(report["gain"]["low"], 0.1) << report["reason"];
  const auto adapter = ReadAdapter(first.path() / "adapter.safetensors", kDimension);
  ASSERT_TRUE(adapter) << adapter.error().message;
  EXPECT_EQ(adapter->query_residual.hidden, 24);
  EXPECT_FALSE(adapter->maps_documents);
  const auto space = data.Space();
  LinearAdapter without = *adapter;
  without.query_residual = {};
  const auto all = data.Judged(0, 420);
  EXPECT_GT(Quality(*space, *adapter, all), Quality(*space, without, all) + 0.05);

  const TemporaryFolder second;
  std::filesystem::create_directory(second.path() / "versions");
  std::filesystem::copy(first.path() / "adapter.safetensors",
                        second.path() / "versions" / "1.safetensors");
  data.job.config["objective"] = "query_mixture";
  data.job.config["active_version"] = 1;
  const auto next = run(second);
  EXPECT_EQ(next["kind"], "query_mixture");
  EXPECT_EQ(next["loss_curve"][0]["expert_loads"].size(), 2u);
  EXPECT_GT(next["metrics"]["active"]["ndcg_at_10"]["mean"],
            next["metrics"]["identity"]["ndcg_at_10"]["mean"].get<double>() + 0.2);
  EXPECT_NEAR(next["compatibility"]["ndcg_at_10"][0][0].get<double>(),
              next["metrics"]["active"]["ndcg_at_10"]["mean"].get<double>(), 1e-3);
}

TEST(QueryMixture, IsChosenByItselfWhereManyQueriesWantIt) {
  const TwoDomains data(6, 2600);
  const auto space = data.Space();
  const TemporaryFolder folder;
  const auto progress = *Progress::Open(folder.path() / "progress.jsonl");
  JobConfig config = Config(8);
  config.options.steps_max = 100;
  const auto judged = data.Judged(0, 2600);
  QuerySplit split;
  for (size_t i = 0; i < 2400; ++i) (i < 2100 ? split.train : split.validation).push_back(i);
  for (size_t i = 0; i < judged.size(); ++i) split.group.push_back(static_cast<int32_t>(i));
  const auto chosen = TrainAndSelect(*space, judged, split, {}, config, progress.get());
  ASSERT_TRUE(chosen) << chosen.error().message;
  EXPECT_THAT(chosen->winner, testing::ContainsRegex("_m(ixture|lp)$"))
      << chosen->explanation;
  ASSERT_NE(chosen->recipe.first, nullptr);
  EXPECT_EQ(chosen->recipe.first->shape, Shape::kFull);
  EXPECT_GT(chosen->adapter.query_residual.hidden, 0);
  const auto test = data.Judged(2400, 2600);
  const LinearAdapter linear =
      *TrainRecipe(*space, judged, *chosen->recipe.first, config, 1, progress.get());
  EXPECT_GT(Quality(*space, chosen->adapter, test), Quality(*space, linear, test));
}

TEST(QueryMixture, UnitsAreBounded) {
  const auto refused = [](const char* objective, const char* options) {
    const auto parsed =
        ParseJobConfig(std::string(R"({"format_version":1,"dimension":512,)") + R"("objective":")" +
                       objective + R"(","options":)" + options + "}");
    return parsed ? std::string() : parsed.error().message;
  };
  EXPECT_EQ(refused("query_mixture", R"({"experts":64,"rank":65})"),
            "config.json: options.experts times options.rank is 4160, the limit is 4096");
  EXPECT_EQ(refused("query_low_rank", R"({"experts":64,"rank":65})"), "");
  EXPECT_EQ(refused("query_mixture", R"({"experts":64,"rank":64})"), "");
}

}  // namespace
}  // namespace almagest::training
