// What neighbours by words teach without feedback, and what of their file is refused.
#include "training/neighbour_map.h"

#include <gtest/gtest.h>

#include <random>

#include "storage/base/safetensors.h"
#include "tests/training/synthetic_job.h"
#include "training/evaluation.h"
#include "training/job_folder.h"
#include "training/run_job.h"
#include "training/space_geometry.h"

namespace almagest::training {
namespace {

constexpr size_t kDocuments = 600;

// Documents 2i and 2i + 1 are about the same, apart from loud noise in the first axes; so are
// queries and their documents.
SyntheticJob Twins(uint64_t seed, size_t loud = 4, float quiet = 0.15f) {
  SyntheticJob job = MakeSyntheticJob(seed, kDocuments, 200);
  const auto d = static_cast<size_t>(job.dimension);
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  const auto noise = [&](size_t i) { return normal(random) * (i < loud ? 0.6f : quiet); };
  for (size_t row = 1; row < kDocuments; row += 2) {
    for (size_t i = 0; i < d; ++i) {
      job.documents[row * d + i] = job.documents[(row - 1) * d + i] + noise(i);
    }
  }
  for (size_t row = 0; row < 200; ++row) {
    const auto answer = static_cast<size_t>(job.document[row]);
    for (size_t i = 0; i < d; ++i) {
      job.queries[row * d + i] = job.documents[answer * d + i] + noise(i);
    }
  }
  return job;
}

std::unique_ptr<VectorSpace> Space(const SyntheticJob& job) {
  return *VectorSpace::Create(job.documents, job.queries,
                              {job.dimension, Distance::kCosine, DeviceChoice::kCpu, 1});
}

struct Lists {
  std::vector<int32_t> documents;
  std::vector<int32_t> neighbours;
  NeighbourLists View() const { return {documents, neighbours, 2}; }
};

Lists TwinLists(int32_t count) {
  Lists lists;
  for (int32_t row = 0; row < count; ++row) {
    lists.documents.push_back(row);
    lists.neighbours.insert(lists.neighbours.end(), {row ^ 1, -1});
  }
  return lists;
}

JobConfig Config(const SyntheticJob& job) {
  JobConfig config;
  config.dimension = job.dimension;
  config.device = DeviceChoice::kCpu;
  return config;
}

std::unique_ptr<Progress> MakeProgress(const TemporaryFolder& folder) {
  return *Progress::Open(folder.path() / "progress.jsonl");
}

TEST(NeighbourMap, LearnsWithoutFeedbackWhatNeighboursShare) {
  const TemporaryFolder folder;
  const auto progress = MakeProgress(folder);
  const SyntheticJob job = Twins(1);
  const auto space = Space(job);
  const auto judged = GroupJudgements({job.query, job.document, job.grade, job.weight, job.user});
  const auto basis = WhiteningBasis::Fit(*space, {});
  ASSERT_TRUE(basis);
  const LinearAdapter start = basis->Map(0.5);
  const Lists lists = TwinLists(kDocuments);
  const auto learned =
      LearnFromNeighbours(*space, lists.View(), start, Config(job), progress.get());
  ASSERT_TRUE(learned) << learned.error().message;
  const auto quality = [&](const LinearAdapter& map) {
    return Mean(
        Column(Evaluate(*space, map, map, judged, 10, true, {}), &QueryMetrics::ndcg_at_10));
  };
  EXPECT_GT(quality(*learned), quality(start) + 0.015);
  EXPECT_EQ(learned->query_weight, learned->document_weight);
  const auto again = LearnFromNeighbours(*space, lists.View(), start, Config(job), progress.get());
  EXPECT_EQ(again->document_weight, learned->document_weight);
  // The centres stay: what `start` maps to the origin, so does what was learned.
  const auto d = static_cast<size_t>(job.dimension);
  for (size_t row = 0; row < d; ++row) {
    double origin = learned->document_bias[row];
    for (size_t i = 0; i < d; ++i) {
      double mean = 0;
      for (size_t n = 0; n < kDocuments; ++n) mean += job.documents[n * d + i];
      origin += learned->document_weight[row * d + i] * mean / kDocuments;
    }
    EXPECT_NEAR(origin, 0, 1e-4);
  }
}

TEST(NeighbourMap, TooFewListsTeachNothing) {
  const TemporaryFolder folder;
  const auto progress = MakeProgress(folder);
  const SyntheticJob job = Twins(3);
  const auto space = Space(job);
  const LinearAdapter start = WhiteningBasis::Fit(*space, {})->Map(0.5);
  Lists lists = TwinLists(99);
  // Those that name nobody else do not count.
  for (int32_t row = 99; row < 300; ++row) {
    lists.documents.push_back(row);
    lists.neighbours.insert(lists.neighbours.end(), {row, -1});
  }
  const auto same = LearnFromNeighbours(*space, lists.View(), start, Config(job), progress.get());
  ASSERT_TRUE(same);
  EXPECT_EQ(same->document_weight, start.document_weight);
}

TEST(NeighbourMap, ABlendWithItselfScoresTheSame) {
  const SyntheticJob job = Twins(4);
  const auto space = Space(job);
  const auto basis = WhiteningBasis::Fit(*space, {});
  ASSERT_TRUE(basis);
  const LinearAdapter map = basis->Map(0.75);
  const LinearAdapter blend = basis->Blend(0.75, map);
  const double scale = blend.document_weight[0] / map.document_weight[0];
  for (size_t i = 0; i < map.document_weight.size(); ++i) {
    EXPECT_NEAR(blend.document_weight[i], scale * map.document_weight[i], 1e-4 * scale);
  }
  for (size_t i = 0; i < map.query_bias.size(); ++i) {
    EXPECT_NEAR(blend.query_bias[i], scale * map.query_bias[i], 1e-4 * scale);
  }
}

TEST(NeighbourMap, AnswersTurnQueriesAndLeaveDocumentsAlone) {
  // Queries are a fixed map of their documents, the same for all.
  const SyntheticJob job = MakeSyntheticJob(7, 500, 160);
  const auto space = Space(job);
  const auto judged = GroupJudgements({job.query, job.document, job.grade, job.weight, job.user});
  const std::span train(judged.begin(), judged.begin() + 60);
  const std::span test(judged.begin() + 60, judged.end());
  const auto basis = WhiteningBasis::Fit(*space, {});
  ASSERT_TRUE(basis);
  const LinearAdapter other = basis->Map(0.5);
  const LinearAdapter blend = basis->Blend(0.75, other);
  const LinearAdapter added = basis->AddAnswers(blend, other, *space, train);
  const auto quality = [&](const LinearAdapter& map) {
    return Mean(Column(Evaluate(*space, map, map, test, 10, true, {}), &QueryMetrics::ndcg_at_10));
  };
  EXPECT_GT(quality(added), quality(blend) + 0.05);
  EXPECT_EQ(added.document_weight, blend.document_weight);
  EXPECT_EQ(added.document_bias, blend.document_bias);
  // Nothing judged, nothing added.
  EXPECT_EQ(basis->AddAnswers(blend, other, *space, {}).query_weight, blend.query_weight);
  // Where every query is its own answer the third part is `other` once more, as it weighs in the
  // blend: of a blend with itself that is half of it.
  SyntheticJob same = job;
  std::copy_n(same.documents.begin(), same.queries.size(), same.queries.begin());
  for (size_t i = 0; i < same.document.size(); ++i) {
    same.document[i] = static_cast<int32_t>(i);
  }
  const auto own = Space(same);
  const auto found = GroupJudgements({same.query, same.document, same.grade, same.weight, {}});
  const LinearAdapter once = basis->Blend(0.5, other);
  const LinearAdapter third = basis->AddAnswers(once, other, *own, found);
  for (size_t i = 0; i < once.query_weight.size(); ++i) {
    EXPECT_NEAR(third.query_weight[i], 1.5f * once.query_weight[i], 0.02);
  }
}

TEST(NeighbourMap, AJobWithFewQueriesStartsFromThem) {
  SyntheticJob job = Twins(6, 12, 0.2f);
  for (auto* column : {&job.query, &job.document, &job.user}) column->resize(45);
  for (auto* column : {&job.grade, &job.weight}) column->resize(45);
  job.config["options"] = {{"steps_max", 25}};
  const auto run = [&](bool with_lists) {
    const TemporaryFolder folder;
    job.Write(folder.path());
    if (with_lists) {
      const Lists lists = TwinLists(kDocuments);
      SafetensorsWriter writer;
      writer.AddInt32("documents", {kDocuments}, lists.documents);
      writer.AddInt32("neighbours", {kDocuments, 2}, lists.neighbours);
      EXPECT_TRUE(writer.Write(folder.path() / "neighbours.safetensors"));
    }
    auto report = RunJob(folder.path(), {}, MakeProgress(folder).get());
    EXPECT_TRUE(report) << report.error().message;
    return std::move(report->selection.value());
  };
  EXPECT_EQ(run(false).recipe.neighbours, nullptr);
  const Selection with = run(true);
  EXPECT_NE(with.recipe.neighbours, nullptr) << with.explanation;
}

TEST(NeighbourMap, AFileThatDoesNotFitIsRefused) {
  const SyntheticJob job = MakeSyntheticJob(5, 50, 40);
  const auto reason = [&](std::vector<int32_t> documents, int64_t rows,
                          std::vector<int32_t> neighbours) -> std::string {
    const TemporaryFolder folder;
    job.Write(folder.path());
    SafetensorsWriter writer;
    writer.AddInt32("documents", {static_cast<int64_t>(documents.size())}, documents);
    writer.AddInt32("neighbours", {rows, static_cast<int64_t>(neighbours.size()) / rows},
                    neighbours);
    EXPECT_TRUE(writer.Write(folder.path() / "neighbours.safetensors"));
    const auto opened = OpenJobFolder(folder.path());
    if (!opened) return opened.error().message;
    EXPECT_EQ(opened->neighbours.depth, static_cast<int64_t>(neighbours.size()) / rows);
    return "";
  };
  EXPECT_EQ(reason({0, 49}, 2, {49, -1, 0, 3}), "");
  EXPECT_EQ(reason({0, 49}, 1, {49, -1}),
            "neighbours.safetensors: tensor 'neighbours' has 1 rows, there are 2 documents");
  EXPECT_EQ(reason({0, 50}, 2, {1, 2}),
            "neighbours.safetensors: tensor 'documents' entry 1 is 50, it must be from 0 to 49");
  EXPECT_EQ(reason({0, 1}, 2, {-2, 2}),
            "neighbours.safetensors: tensor 'neighbours' entry 0 is -2, it must be from -1 to 49");
}

}  // namespace
}  // namespace almagest::training
