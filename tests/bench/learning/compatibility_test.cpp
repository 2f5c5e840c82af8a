// The parts of the compatibility benchmark against their definitions, and the whole in small.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/bench/learning/compatibility_bench.h"
#include "tests/bench/learning/compatibility_loss.h"
#include "tests/bench/learning/compatibility_map.h"
#include "tests/bench/learning/compatibility_measure.h"
#include "tests/training/synthetic_job.h"
#include "training/vector_space_tensors.h"

namespace almagest::bench {
namespace {

torch::Tensor UnitRandom(int64_t rows, int64_t dimension) {
  return training::Normalised(torch::randn({rows, dimension}), training::Distance::kCosine);
}

double FarthestFrom(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(SimplexVertices, AreUnitVectorsEquallyFarApart) {
  for (const int64_t count : {2, 3, 8, 200}) {
    SCOPED_TRACE(count);
    std::vector<double> vertices = SimplexVertices(count);
    const auto v = torch::from_blob(vertices.data(), {count, count - 1}, torch::kFloat64);
    const double other = -1.0 / static_cast<double>(count - 1);
    const auto expected = torch::full({count, count}, other, torch::kFloat64).fill_diagonal_(1);
    EXPECT_LT(FarthestFrom(v.mm(v.t()), expected), 1e-12);
    EXPECT_LT(v.sum(0).abs().max().item<double>(), 1e-12);
  }
}

TEST(FindPseudoClasses, BalancesTheClassesAndTurnsTheSimplexTowardsThem) {
  constexpr int64_t kCount = 6;
  constexpr int64_t kRows = 300;
  constexpr int64_t kWidth = 16;
  torch::manual_seed(3);
  const auto topics = UnitRandom(kCount, kWidth);
  // Four times as many documents of the first topic as of any other.
  const auto topic = torch::arange(kRows).remainder(kCount + 3) - 3;
  const auto rows =
      UnitRandom(kRows, kWidth) * 0.5 + topics.index_select(0, topic.clamp_min(0)) + 0.3;
  const std::vector<float> documents = training::ToVector(rows);
  const PseudoClasses classes = FindPseudoClasses(documents, kWidth, kCount, 1);
  std::vector<int> size(kCount, 0);
  for (const int32_t cluster : classes.cluster) ++size.at(static_cast<size_t>(cluster));
  for (const int count : size) EXPECT_LE(count, 60) << "1.2 times 300 / 6";
  const auto simplex = training::ToTensor(classes.simplex, {kCount, kWidth}, torch::kCPU);
  const auto expected = torch::full({kCount, kCount}, -0.2).fill_diagonal_(1);
  EXPECT_LT(FarthestFrom(simplex.mm(simplex.t()), expected), 1e-5);
  EXPECT_GT(classes.fit, 0.5) << "a simplex at random would be near 0";
}

TEST(CompatibilityMap, StartsAsTheIdentityAndLearnsOnlyWhatItMay) {
  torch::manual_seed(4);
  const auto rows = UnitRandom(20, 10);
  for (const MapShape shape : {MapShape::kLinear, MapShape::kMlp}) {
    const CompatibilityMap map(shape, true, 10, 1);
    EXPECT_LT(FarthestFrom(map.Queries(rows), rows), 1e-6);
    EXPECT_LT(FarthestFrom(map.Documents(rows), rows), 1e-6);
  }
  CompatibilityMap of_queries(MapShape::kLinear, false, 10, 1);
  auto moved = of_queries.Copy();
  moved[1].fill_(0.3);
  of_queries.Restore(moved);
  EXPECT_GT(FarthestFrom(of_queries.Queries(rows), rows), 0.01);
  EXPECT_EQ(FarthestFrom(of_queries.Documents(rows), rows), 0);
}

TEST(SoftAnchor, HasNoGradientAtTheIdentityAndOneElsewhere) {
  torch::manual_seed(5);
  const auto rows = UnitRandom(30, 12);
  const auto mean = rows.mean(0);
  const auto prototypes = UnitRandom(5, 12);
  const auto base = AnchorLogits(rows, mean, prototypes);
  CompatibilityMap map(MapShape::kMlp, true, 12, 1);
  const auto largest_gradient = [&] {
    auto parameters = map.parameters();
    for (auto& parameter : parameters) parameter.mutable_grad() = torch::Tensor();
    SoftAnchor(base, AnchorLogits(map.Documents(rows), mean, prototypes)).backward();
    double largest = 0;
    for (const auto& parameter : parameters) {
      if (!parameter.grad().defined()) continue;  // The shift of queries.
      largest = std::max(largest, parameter.grad().abs().max().item<double>());
    }
    return largest;
  };
  EXPECT_LT(largest_gradient(), 1e-5);
  auto moved = map.Copy();
  moved[3].fill_(0.1);
  map.Restore(moved);
  EXPECT_GT(largest_gradient(), 1e-3);
}

TEST(HardAnchor, IsTheSmoothedCrossEntropy) {
  const auto logits = torch::tensor({1.0, 2.0, 0.5, 0.0, -1.0, 3.0}).view({2, 3});
  double expected = 0;
  const int64_t label[] = {1, 0};
  for (int64_t i = 0; i < 2; ++i) {
    double sum = 0;
    for (int64_t k = 0; k < 3; ++k) sum += std::exp(logits[i][k].item<double>());
    for (int64_t k = 0; k < 3; ++k) {
      const double target = (k == label[i] ? 0.9 : 0) + 0.1 / 3;
      expected -= target * (logits[i][k].item<double>() - std::log(sum)) / 2;
    }
  }
  EXPECT_NEAR(HardAnchor(logits, torch::tensor({1, 0}, torch::kInt64)).item<double>(), expected,
              1e-5);
}

TEST(HigherOrderContrast, MatchesTheNaiveSumOverOtherClasses) {
  torch::manual_seed(6);
  const auto old_rows = UnitRandom(6, 4);
  const auto new_rows = UnitRandom(6, 4).set_requires_grad(true);
  const int64_t label[] = {0, 0, 1, 2, 1, 0};
  const auto labels = torch::tensor({0, 0, 1, 2, 1, 0}, torch::kInt64);
  double expected = 0;
  for (int64_t i = 0; i < 6; ++i) {
    double others = 0;
    const auto score = [&](int64_t j) { return old_rows[i].dot(new_rows[j]).item<double>() / 0.1; };
    for (int64_t j = 0; j < 6; ++j) {
      if (label[j] != label[i]) others += std::exp(score(j));
    }
    expected += (std::log(others) - score(i)) / 6;
  }
  EXPECT_NEAR(HigherOrderContrast(old_rows, new_rows, labels).item<double>(), expected, 1e-4);
  // One class alone: nothing to learn, and no infinite gradient.
  const auto nothing = HigherOrderContrast(old_rows, new_rows, torch::zeros_like(labels));
  nothing.backward();
  EXPECT_EQ(nothing.item<double>(), 0);
  EXPECT_EQ(new_rows.grad().abs().max().item<double>(), 0);
}

// The benchmark's folded scores rank as the product's exact search across versions does.
TEST(ScoresAcross, FoldsLinearMapsAsTheProductDoes) {
  constexpr int64_t kWidth = 12;
  torch::manual_seed(7);
  const std::vector<float> documents = training::ToVector(UnitRandom(80, kWidth));
  const std::vector<float> queries = training::ToVector(UnitRandom(15, kWidth));
  const auto space = training::VectorSpace::Create(
      documents, queries, {kWidth, training::Distance::kCosine, training::DeviceChoice::kCpu, 1});
  ASSERT_TRUE(space.has_value());
  const auto& base = (*space)->tensors();
  std::vector<MappedVersion> versions;
  std::vector<training::LinearAdapter> adapters;
  for (const double change : {0.15, 0.25}) {
    CompatibilityMap map(MapShape::kLinear, true, kWidth, 1);
    auto parameters = map.Copy();
    parameters[0] = torch::randn({kWidth}) * change;
    parameters[1] = torch::randn({kWidth, kWidth}) * change;
    map.Restore(parameters);
    const torch::NoGradGuard no_grad;
    MappedVersion version;
    version.queries = map.Queries(base.queries);
    version.documents = map.Documents(base.documents);
    version.matrix = map.DocumentMatrix();
    version.lengths = base.documents.mm(version.matrix.t()).norm(2, 1);
    versions.push_back(version);
    auto adapter = training::LinearAdapter::Identity(kWidth);
    adapter.maps_documents = true;
    adapter.query_weight = adapter.document_weight = training::ToVector(version.matrix);
    adapter.query_bias = training::ToVector(parameters[0]);
    adapters.push_back(adapter);
  }
  std::vector<int32_t> rows(15);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int32_t>(i);
  const auto index = training::ToIndex(rows, torch::kCPU);
  const auto own = ScoresAcross(Serving::kFolded, versions[1], versions[1], index);
  const auto across = ScoresAcross(Serving::kFolded, versions[1], versions[0], index);
  EXPECT_LT(FarthestFrom(own, across), 1e-5);
  const auto error_of = [&](Serving serving) {
    return (own - ScoresAcross(serving, versions[1], versions[0], index))
        .abs()
        .mean()
        .item<double>();
  };
  EXPECT_GT(error_of(Serving::kAsStored), 0.05);
  const auto ranking = (*space)->Search(adapters[1], adapters[0], rows, 5, true, {});
  const auto top = std::get<1>(across.topk(5, 1)).to(torch::kInt32).contiguous();
  EXPECT_EQ(ranking.documents,
            std::vector<int32_t>(top.data_ptr<int32_t>(), top.data_ptr<int32_t>() + top.numel()));
  // Ridge regression finds a linear map, up to the lengths.
  EXPECT_LT(error_of(Serving::kFitted), error_of(Serving::kAsStored) / 2);
}

TEST(SummarisePairs, CountsHarmAndAgreement) {
  // Rows: queries of version 0, 1, 2.
  const std::vector<double> matrix = {.5, 0, 0, .6, .7, 0, .4, .8, .9};
  const PairAgreement summary = SummarisePairs(matrix, 3);
  EXPECT_NEAR(summary.agreeing, 2.0 / 3, 1e-12);
  EXPECT_NEAR(summary.agreeing_quality, (.6 + .8) / 3, 1e-12);
  EXPECT_NEAR(summary.mean_quality, (.5 + .6 + .7 + .4 + .8 + .9) / 6, 1e-12);
  EXPECT_NEAR(summary.worst, -.1, 1e-12);
}

TEST(MeasureLearnedCompatibility, ReportsEveryArmOnASmallSet) {
  const auto job = training::MakeSyntheticJob(3, 120, 90);
  const training::TemporaryFolder folder;
  const auto write = [&](const char* name, const std::vector<float>& values) {
    std::ofstream(folder.path() / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(float)));
  };
  write("m.corpus.f32", job.documents);
  write("m.queries.f32", job.queries);
  JudgedSet set;
  set.path = folder.path();
  for (int32_t i = 0; i < 120; ++i) set.document_rows["d" + std::to_string(i)] = i;
  for (int32_t i = 0; i < 90; ++i) set.query_rows["q" + std::to_string(i)] = i;
  for (size_t i = 0; i < job.query.size(); ++i) {
    Qrels& part = job.query[i] < 60 ? set.train : set.test;
    part.query.push_back(job.query[i]);
    part.document.push_back(job.document[i]);
    part.grade.push_back(job.grade[i]);
  }
  const auto rows = MeasureLearnedCompatibility(
      set, "m", {.threads = 1, .seeds = 1, .versions = 2, .steps = 10, .ablations = true});
  ASSERT_TRUE(rows.has_value()) << rows.error().message;
  ASSERT_EQ(rows->size(), 17u);
  const auto of = [&](const char* method) {
    for (const auto& row : *rows) {
      if (row["method"] == method) return row;
    }
    return nlohmann::ordered_json();
  };
  for (const auto& row : *rows) {
    ASSERT_EQ(row["matrix"].size(), 9u);
    EXPECT_EQ(row["matrix"][0], of("query_linear")["matrix"][0]) << "version 0 is the base";
    EXPECT_EQ(row["matrix"][8], row["reembedded"]["100"]["ndcg_at_10"]);
  }
  const auto folded = of("linear_folded");
  EXPECT_EQ(folded["difference_to_folded"]["mean"], 0);
  EXPECT_NEAR(folded["reembedded"]["0"]["ndcg_at_10"], folded["reembedded"]["100"]["ndcg_at_10"],
              1e-3)
      << "nothing is lost before the first document is re-embedded";
  EXPECT_EQ(folded["matrix"][8], of("linear_as_stored")["matrix"][8]);
  // Documents that no version maps cost nothing either.
  EXPECT_EQ(of("query_linear")["matrix"][6], of("query_linear")["matrix"][8]);
}

}  // namespace
}  // namespace almagest::bench
