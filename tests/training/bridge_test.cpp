// Bridges between spaces of which is known how they belong together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "storage/base/file.h"
#include "storage/base/safetensors.h"
#include "tests/training/synthetic_job.h"
#include "training/bridge_job.h"
#include "training/bridge_measure.h"
#include "training/score_calibration.h"

namespace almagest::training {
namespace {

using testing::HasSubstr;

constexpr int64_t kNew = 10;
constexpr int64_t kOld = 16;

// Documents and queries are latent points; the new model sees them as they are, the old one rotated
// into more dimensions, each with noise of its own. A query's one answer is the document it came
// from.
struct TwoModels {
  double new_noise = 0;
  double old_noise = 0;
  bool related = true;
  bool judged = true;
  int64_t documents = 1'200;
  int64_t queries = 120;

  void Write(const std::filesystem::path& folder, uint64_t seed) const {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    std::vector<float> from[2], to[2];  // Documents, queries.
    std::vector<std::vector<double>> axes;
    for (int64_t i = 0; i < kNew; ++i) {
      std::vector<double> axis(kOld);
      for (double& value : axis) value = normal(random);
      for (const auto& before : axes) {
        double product = 0;
        for (size_t j = 0; j < axis.size(); ++j) product += axis[j] * before[j];
        for (size_t j = 0; j < axis.size(); ++j) axis[j] -= product * before[j];
      }
      axes.push_back(Unit(axis));
    }
    const auto append = [&](const std::vector<double>& latent, size_t part) {
      std::vector<double> seen = latent;
      for (double& value : seen) value += new_noise * normal(random) / std::sqrt(kNew);
      std::vector<double> old(kOld);
      for (size_t j = 0; j < old.size(); ++j) {
        for (size_t i = 0; i < axes.size(); ++i) old[j] += latent[i] * axes[i][j];
        old[j] += old_noise * normal(random) / std::sqrt(kOld);
        if (!related) old[j] = normal(random);
      }
      for (const double value : Unit(seen)) from[part].push_back(static_cast<float>(value));
      for (const double value : Unit(old)) to[part].push_back(static_cast<float>(value));
    };
    std::vector<std::vector<double>> latents;
    for (int64_t i = 0; i < documents; ++i) {
      std::vector<double> latent(kNew);
      for (double& value : latent) value = normal(random);
      latents.push_back(Unit(latent));
      append(latents.back(), 0);
    }
    std::vector<int32_t> query, document;
    for (int64_t i = 0; i < queries; ++i) {
      std::vector<double> latent = latents[static_cast<size_t>(7 * i)];
      for (double& value : latent) value += 0.3 * normal(random) / std::sqrt(kNew);
      append(Unit(latent), 1);
      query.push_back(static_cast<int32_t>(i));
      document.push_back(static_cast<int32_t>(7 * i));
    }
    if (!judged) query.clear(), document.clear();
    const auto write = [&](const char* name, int64_t dimension, const std::vector<float>* rows) {
      SafetensorsWriter writer;
      writer.AddFloat32("documents", {documents, dimension}, rows[0]);
      writer.AddFloat32("queries", {queries, dimension}, rows[1]);
      ASSERT_TRUE(writer.Write(folder / name));
    };
    write("from.safetensors", kNew, from);
    write("to.safetensors", kOld, to);
    const std::vector<float> ones(query.size(), 1.0f);
    const std::vector<int32_t> nobody(query.size(), -1);
    const std::vector<int32_t> has_to(static_cast<size_t>(queries), 1);
    const std::vector<int64_t> shape = {static_cast<int64_t>(query.size())};
    SafetensorsWriter judgements;
    judgements.AddInt32("query", shape, query);
    judgements.AddInt32("document", shape, document);
    judgements.AddFloat32("grade", shape, ones);
    judgements.AddFloat32("weight", shape, ones);
    judgements.AddInt32("user", shape, nobody);
    judgements.AddInt32("has_to", {queries}, has_to);
    ASSERT_TRUE(judgements.Write(folder / "judgements.safetensors"));
    const nlohmann::json config = {
        {"format_version", 1},
        {"seed", 3},
        {"device", "cpu"},
        {"share", 0.25},
        {"from", {{"vector", "new"}, {"dimension", kNew}, {"distance", "Cosine"}}},
        {"to", {{"vector", "old"}, {"dimension", kOld}, {"distance", "Cosine"}}}};
    ASSERT_TRUE(WriteFileAtomically(folder / "bridge.json", config.dump()));
  }
  static std::vector<double> Unit(std::vector<double> values) {
    double length = 0;
    for (const double value : values) length += value * value;
    for (double& value : values) value /= std::sqrt(length);
    return values;
  }
};

class BridgeJobTest : public testing::Test {
 protected:
  Result<BridgeReport> Run(const TwoModels& models) {
    models.Write(folder_.path(), 17);
    auto progress = Progress::Open(folder_.path() / "progress.jsonl");
    return RunBridgeJob(folder_.path(), {}, progress->get());
  }
  TemporaryFolder folder_;
};

TEST_F(BridgeJobTest, APlantedRotationIsFoundAndAccepted) {
  TwoModels models;
  models.old_noise = 0.5;  // The old model is the worse one.
  const auto report = Run(models);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->verdict, BridgeVerdict::kAccept) << report->reason;
  EXPECT_GT(report->ndcg_bridge.mean, report->ndcg_old.mean);
  EXPECT_GE(report->ndcg_new.mean, report->ndcg_bridge.mean);
  EXPECT_EQ(report->judged_with_both, 120u);
  const BridgeMixture& complete = report->mixtures[5];
  ASSERT_EQ(complete.share, 1);
  EXPECT_EQ(complete.retention.mean, 1);
  // Re-encoding helps at every step, and no mixture is below the bridge alone by more than noise.
  for (size_t i = 1; i < 6; ++i) {
    EXPECT_GT(report->mixtures[i].retention.mean, report->mixtures[i - 1].retention.mean - 0.05);
  }
  EXPECT_EQ(report->mixtures[report->present].share, 0.25);
  const auto file = Safetensors::Open(folder_.path() / "bridge.safetensors");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->metadata().at("direction"), "queries");
  EXPECT_EQ(file->metadata().at("from"), "new");
  EXPECT_TRUE(file->Float32("weight", std::vector<int64_t>{kOld, kNew}));
  const auto json = ReadJson(folder_.path() / "report.json");
  EXPECT_EQ(json["gate"]["verdict"], "accept");
  EXPECT_EQ(json["mixtures"].size(), 7u);
}

TEST_F(BridgeJobTest, WithoutNoiseEveryMixtureIsTheNewModel) {
  const auto report = Run({});
  ASSERT_TRUE(report) << report.error().message;
  for (const BridgeMixture& mixture : report->mixtures) {
    EXPECT_GT(mixture.retention.mean, 0.97) << mixture.share;
  }
  // A rotation keeps scores, so they need no calibration: the curve is y = x where scores are.
  const auto file = Safetensors::Open(folder_.path() / "bridge.safetensors").value();
  const auto inputs = file.Find("curve_inputs")->as_float32();
  const auto outputs = file.Find("curve_outputs")->as_float32();
  for (size_t i = 0; i < inputs.size(); ++i) EXPECT_NEAR(inputs[i], outputs[i], 0.02) << i;
  // The old model is as good: there is nothing to win, so nothing is proven.
  EXPECT_EQ(report->verdict, BridgeVerdict::kRefuse);
  EXPECT_THAT(report->reason, HasSubstr("the lower bound must be above 0"));
}

TEST_F(BridgeJobTest, RefusesUnrelatedSpaces) {
  TwoModels models;
  models.related = false;
  models.judged = false;
  const auto report = Run(models);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->verdict, BridgeVerdict::kRefuse);
  EXPECT_EQ(report->conditions.at(0).name, "retention");
  EXPECT_LT(report->conditions.at(0).value, 0.1);
  EXPECT_THAT(report->reason, HasSubstr("the lower bound must be at least 0.200"));
}

TEST_F(BridgeJobTest, RefusesWhereTheOldModelIsBetterAndSaysFromWhenNot) {
  TwoModels models;
  models.new_noise = 0.9;
  const auto report = Run(models);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->verdict, BridgeVerdict::kRefuse);
  ASSERT_EQ(report->conditions.size(), 2u);
  EXPECT_FALSE(report->conditions[1].passed);
  EXPECT_EQ(report->conditions[1].name, "better_than_old");
  EXPECT_THAT(report->reason, HasSubstr("old model minus"));
}

TEST_F(BridgeJobTest, SaysWhatIsNotKnownWithoutJudgements) {
  TwoModels models;
  models.judged = false;
  const auto report = Run(models);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->verdict, BridgeVerdict::kUnknown);
  EXPECT_THAT(report->reason, HasSubstr("is not known: 0 judged queries"));
}

TEST_F(BridgeJobTest, TheSameFolderGivesTheSameBytes) {
  TwoModels models;
  models.old_noise = 0.3;
  ASSERT_TRUE(Run(models));
  const std::string first = ReadText(folder_.path() / "bridge.safetensors");
  ASSERT_TRUE(Run(models));
  EXPECT_EQ(ReadText(folder_.path() / "bridge.safetensors"), first);
}

TEST_F(BridgeJobTest, RefusesTooFewPairsAndBrokenFolders) {
  TwoModels models;
  models.documents = 900;
  EXPECT_THAT(Run(models).error().message,
              HasSubstr("900 documents with both vectors, at least 1000 are needed"));
  models.documents = 1'200;
  models.Write(folder_.path(), 1);
  std::filesystem::copy_file(folder_.path() / "from.safetensors", folder_.path() / "to.safetensors",
                             std::filesystem::copy_options::overwrite_existing);
  auto progress = Progress::Open(folder_.path() / "progress.jsonl");
  EXPECT_THAT(RunBridgeJob(folder_.path(), {}, progress->get()).error().message,
              HasSubstr("to.safetensors: tensor 'documents' must be F32 [rows, 16]"));
}

TEST(ScoreCalibration, CurvesRiseAndMatchWhatTheyWereFittedOn) {
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal;
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    std::vector<float> x, y;
    for (int i = 0; i < 500; ++i) {
      x.push_back(normal(random));
      y.push_back(round % 2 == 0 ? x.back() * 0.3f + 2 : x.back() * 0.3f + normal(random));
    }
    for (const auto& curve : {MatchQuantiles(x, y).value(), FitIsotonic(x, y).value()}) {
      for (float at = -5; at < 5; at += 0.01f) EXPECT_GT(curve(at + 0.01f), curve(at)) << at;
      if (round % 2 == 0) {
        EXPECT_NEAR(curve(0.5f), 2.15f, 0.02f);
      }
    }
  }
  EXPECT_FALSE(MatchQuantiles(std::vector<float>(9, 1.0f), std::vector<float>(9, 1.0f)));
  EXPECT_FALSE(FitIsotonic({}, {}));
}

TEST(ScoreCalibration, TheDistanceOfDistributions) {
  const std::vector<float> low = {1, 2, 3, 4}, high = {5, 6, 7, 8}, half = {3, 4, 5, 6};
  EXPECT_EQ(DistributionDistance(low, low), 0);
  EXPECT_EQ(DistributionDistance(low, high), 1);
  EXPECT_EQ(DistributionDistance(low, half), 0.5);
}

TEST(MergeByScore, IsTheSingleListAtBothEndsAndKeepsTheOrderOfEqualScores) {
  const auto curve = MonotoneCurve::Create({0, 1}, {0, 1}).value();
  const std::vector<int32_t> new_hits = {4, 2}, old_hits = {7, 5, 9};
  const std::vector<float> new_scores = {0.9f, 0.5f}, old_scores = {0.9f, 0.5f, 0.5f};
  const auto merge = [&](size_t from_new, size_t from_old) {
    return MergeByScore(std::span(new_hits).first(from_new), std::span(new_scores).first(from_new),
                        std::span(old_hits).first(from_old), std::span(old_scores).first(from_old),
                        curve, 4);
  };
  EXPECT_EQ(merge(2, 0), new_hits);
  EXPECT_EQ(merge(0, 3), old_hits);
  EXPECT_EQ(merge(2, 3), (std::vector<int32_t>{4, 7, 2, 5}));
}

}  // namespace
}  // namespace almagest::training
