// What computes with LibTorch, against hand-computed values, finite differences and naive twins.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/training/synthetic_job.h"
#include "training/contrastive_loss.h"
#include "training/mine_negatives.h"
#include "training/residual_map.h"
#include "training/space_geometry.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

torch::Tensor Doubles(std::vector<double> values, std::vector<int64_t> shape) {
  return torch::from_blob(values.data(), shape, torch::kFloat64).clone();
}

torch::Tensor Nothing(int64_t rows, int64_t columns) {
  return torch::zeros({rows, columns}, torch::kBool);
}

TEST(InfoNce, MatchesHandComputedValues) {
  // Query (1, 0); positive at 0.8, negatives at 0.5 and -1.
  const auto query = Doubles({1, 0}, {1, 2});
  const auto columns = Doubles({0.8, 0.6, 0.5, 0.2, -1, 0}, {3, 2});
  const double t = 0.5;
  const double all = std::exp(0.8 / t) + std::exp(0.5 / t) + std::exp(-1 / t);
  const auto one = Doubles({1}, {1});
  EXPECT_NEAR(InfoNce(query, columns, Nothing(1, 3), one, t).item<double>(),
              std::log(all) - 0.8 / t, 1e-12);
  // Excluded: as if the column were not there.
  auto excluded = Nothing(1, 3);
  excluded[0][1] = true;
  EXPECT_NEAR(InfoNce(query, columns, excluded, one, t).item<double>(),
              std::log(std::exp(0.8 / t) + std::exp(-1 / t)) - 0.8 / t, 1e-12);
}

TEST(InfoNce, DoublingAWeightEqualsRepeatingTheRow) {
  torch::manual_seed(1);
  const auto queries = torch::randn({3, 4}, torch::kFloat64);
  const auto columns = torch::randn({3, 4}, torch::kFloat64);
  const auto weighted =
      InfoNce(queries, columns, Nothing(3, 3), Doubles({1, 2, 1}, {3}), 0.3).item<double>();
  double sum = 0;
  for (const int64_t row : {0, 1, 1, 2}) {
    const auto s = queries[row].matmul(columns.t()) / 0.3;
    sum += (s.logsumexp(0) - s[row]).item<double>();
  }
  EXPECT_NEAR(weighted, sum / 4, 1e-10);
}

TEST(InfoNce, GradientMatchesFiniteDifferencesThroughAMap) {
  torch::manual_seed(2);
  const int64_t d = 5;
  const auto queries = torch::randn({4, d}, torch::kFloat64);
  const auto columns = torch::randn({9, d}, torch::kFloat64);
  const auto weights = Doubles({1, 0.5, 2, 1}, {4});
  auto excluded = Nothing(4, 9);
  excluded[0][5] = true;
  excluded[2][0] = true;
  auto map = (torch::randn({d, d}, torch::kFloat64) * 0.3).set_requires_grad(true);
  const auto loss = [&](const torch::Tensor& p) {
    return InfoNce(Normalised(queries + queries.mm(p.t()), Distance::kCosine),
                   Normalised(columns + columns.mm(p.t()), Distance::kCosine), excluded, weights,
                   0.1);
  };
  loss(map).backward();
  const torch::NoGradGuard no_grad;
  for (int64_t i = 0; i < d; ++i) {
    for (int64_t j = 0; j < d; ++j) {
      const double h = 1e-6;
      const auto value = [&](double change) {
        auto moved = map.detach().clone();
        moved[i][j] += change;
        return loss(moved).item<double>();
      };
      EXPECT_NEAR(map.grad()[i][j].item<double>(), (value(h) - value(-h)) / (2 * h), 1e-6);
    }
  }
}

TEST(InfoNce, AnExcludedColumnGetsNoGradient) {
  torch::manual_seed(3);
  const auto queries = torch::randn({2, 4}, torch::kFloat64);
  auto columns = torch::randn({5, 4}, torch::kFloat64).set_requires_grad(true);
  auto excluded = Nothing(2, 5);
  excluded[0][3] = true;
  excluded[1][3] = true;
  InfoNce(queries, columns, excluded, torch::ones({2}, torch::kFloat64), 0.1).backward();
  EXPECT_EQ(columns.grad()[3].abs().sum().item<double>(), 0);
  EXPECT_GT(columns.grad()[4].abs().sum().item<double>(), 0);
}

TEST(InfoNce, TrimmingLeavesOutTheLargestLosses) {
  const auto queries = Doubles({1, 0, 0, 1, 1, 0, 1, 0}, {4, 2});
  const auto columns =
      Doubles({1, 0, 0, 1, -1, 0, 1, 0}, {4, 2});  // Row 2: its positive is opposite.
  const auto weights = torch::ones({4}, torch::kFloat64);
  const auto kept = torch::tensor(std::vector<int64_t>{0, 1, 3});
  const auto all = InfoNce(queries, columns, Nothing(4, 4), weights, 1);
  const auto trimmed = InfoNce(queries, columns, Nothing(4, 4), weights, 1, 0.25);
  const auto logits = queries.mm(columns.t());
  const auto loss = (logits.logsumexp(1) - logits.diagonal()).index_select(0, kept).mean();
  EXPECT_NEAR(trimmed.item<double>(), loss.item<double>(), 1e-12);
  EXPECT_LT(trimmed.item<double>(), all.item<double>());
}

TEST(Bixse, MatchesHandComputedValues) {
  // Scores 1, 0; 0, 1 with temperature 0.5 and bias -1: logits 1, -1; -1, 1.
  const auto unit = Doubles({1, 0, 0, 1}, {2, 2});
  const auto loss =
      Bixse(unit, unit, Nothing(2, 2), Doubles({1, 3}, {2}), Doubles({1, 0.5, 0, 0.25}, {2, 2}),
            torch::tensor(2.0, torch::kFloat64), torch::tensor(-1.0, torch::kFloat64));
  const double on = std::log1p(std::exp(1.0));
  const double off = std::log1p(std::exp(-1.0));
  EXPECT_NEAR(loss.item<double>(), (1 * (on - 1 + off + 0.5) + 3 * (on - 0.25 + off)) / 4, 1e-12);
}

TEST(Bixse, GradientsMatchFiniteDifferences) {
  torch::manual_seed(5);
  const auto queries = torch::randn({3, 4}, torch::kFloat64);
  const auto columns = torch::randn({6, 4}, torch::kFloat64);
  const auto targets = Doubles({1, 0, 0, 0, 0, 0, 0, 0.5, 0, 0.25, 0, 0, 0, 0, 0, 0, 0, 0}, {3, 6});
  const auto weights = Doubles({1, 2, 1}, {3});
  auto excluded = Nothing(3, 6);
  excluded[1][4] = true;
  auto moved = queries.clone().set_requires_grad(true);
  auto scale = torch::tensor(3.0, torch::kFloat64).set_requires_grad(true);
  auto bias = torch::tensor(-2.0, torch::kFloat64).set_requires_grad(true);
  const auto loss = [&](const torch::Tensor& q, double a, double b) {
    return Bixse(q, columns, excluded, weights, targets, scale + a, bias + b);
  };
  loss(moved, 0, 0).backward();
  const torch::NoGradGuard no_grad;
  const double h = 1e-6;
  const auto slope = [&](const torch::Tensor& after, const torch::Tensor& before) {
    return (after - before).item<double>() / (2 * h);
  };
  for (int64_t i = 0; i < 12; ++i) {
    const auto moves = h * torch::eye(12, torch::kFloat64)[i].view({3, 4});
    EXPECT_NEAR(moved.grad().view({12})[i].item<double>(),
                slope(loss(queries + moves, 0, 0), loss(queries - moves, 0, 0)), 1e-6);
  }
  EXPECT_NEAR(scale.grad().item<double>(), slope(loss(queries, h, 0), loss(queries, -h, 0)), 1e-6);
  EXPECT_NEAR(bias.grad().item<double>(), slope(loss(queries, 0, h), loss(queries, 0, -h)), 1e-6);
}

TEST(ResidualMap, StartsAsTheIdentityAndFoldsIntoOneMatrix) {
  for (const Shape shape : {Shape::kFull, Shape::kLowRank, Shape::kDiagonal, Shape::kOrthogonal}) {
    SCOPED_TRACE(static_cast<int>(shape));
    torch::manual_seed(7);
    Candidate candidate;
    candidate.shape = shape;
    TrainingOptions options;
    options.rank = 4;
    ResidualMap map(candidate, options, 12, 3, torch::kCPU);
    const auto rows = Normalised(torch::randn({5, 12}), Distance::kCosine);
    EXPECT_LT((map.Queries(rows, Distance::kCosine, true) - rows).abs().max().item<float>(), 1e-6);
    EXPECT_LT((map.Documents(rows, Distance::kDot, false) - rows).abs().max().item<float>(), 1e-6);
    {
      const torch::NoGradGuard no_grad;
      for (const torch::Tensor& parameter : map.parameters()) {
        parameter.add_(torch::randn(parameter.sizes()) * 0.2);
      }
      for (int64_t step = 1; step < 400; ++step) map.UpdateAverage(step);
    }
    const auto matrix = map.Matrix().to(torch::kFloat32);
    const auto shift = map.Shift().to(torch::kFloat32);
    EXPECT_LT((map.Queries(rows, Distance::kDot, true) - (rows.mm(matrix.t()) + shift))
                  .abs()
                  .max()
                  .item<float>(),
              1e-4);
    if (shape == Shape::kOrthogonal) {
      EXPECT_LT((matrix.mm(matrix.t()) - torch::eye(12)).abs().max().item<float>(), 1e-5);
      continue;
    }
    // Scaled to nothing, it is the start again.
    map.RestoreAverage(ResidualMap::Scaled(shape, map.CopyAverage(), 0));
    EXPECT_LT((map.Queries(rows, Distance::kDot, true) - rows).abs().max().item<float>(), 1e-6);
  }
}

TEST(MineNegatives, FindsWhatANaiveScanFinds) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    torch::manual_seed(seed);
    std::mt19937_64 random(seed);
    const int64_t n = 300;
    const auto documents = Normalised(torch::randn({n, 8}), Distance::kCosine);
    const auto queries = Normalised(torch::randn({40, 8}), Distance::kCosine);
    std::vector<TrainingQuery> train(40);
    for (TrainingQuery& query : train) {
      std::set<int32_t> positives;
      for (size_t i = 0; i < 1 + random() % 3; ++i) positives.insert(random() % n);
      query.positives.assign(positives.begin(), positives.end());
    }
    const auto mined = MineNegatives(queries, documents, train, 10, 0.95, {});
    for (size_t q = 0; q < train.size(); ++q) {
      const std::vector<float> scores =
          ToVector(documents.matmul(queries[static_cast<int64_t>(q)]));
      float best = -2;
      for (size_t i = 0; i < train[q].positives.size(); ++i) {
        const float score = scores[static_cast<size_t>(train[q].positives[i])];
        EXPECT_NEAR(mined[q].positive_scores[i], score, 1e-6);
        best = std::max(best, score);
      }
      std::vector<std::pair<float, int32_t>> allowed;
      for (int32_t d = 0; d < n; ++d) {
        const float score = scores[static_cast<size_t>(d)];
        const auto& positives = train[q].positives;
        if (std::ranges::count(positives, d) == 0 && score < NegativeLimit(best, 0.95)) {
          allowed.emplace_back(-score, d);
        }
      }
      std::ranges::sort(allowed);
      std::vector<int32_t> expected;
      for (size_t i = 0; i < std::min<size_t>(10, allowed.size()); ++i) {
        expected.push_back(allowed[i].second);
      }
      EXPECT_EQ(mined[q].negatives, expected);
    }
  }
}

// Of ten documents relevant to a query two were not judged: few of those may become negatives.
TEST(MineNegatives, LeavesOutWhatIsRelevantButWasNotJudged) {
  torch::manual_seed(31);
  const auto queries = Normalised(torch::randn({50, 64}), Distance::kCosine);
  const auto near = [&](double noise) {
    return queries.repeat_interleave(10, 0) + torch::randn({500, 64}) * noise;
  };
  const auto documents = Normalised(torch::cat({near(0.05), near(0.25)}), Distance::kCosine);
  std::vector<TrainingQuery> train(50);
  for (int32_t i = 0; i < 500; ++i) {
    if (i % 10 < 8) train[static_cast<size_t>(i / 10)].positives.push_back(i);
  }
  const auto mined = MineNegatives(queries, documents, train, 10, 0.95, {});
  int hidden = 0;
  for (int32_t i = 0; i < 50; ++i) {
    const auto& negatives = mined[static_cast<size_t>(i)].negatives;
    EXPECT_EQ(negatives.size(), 10);
    for (const int32_t document : negatives) hidden += document / 10 == i;
  }
  EXPECT_LE(hidden, 0.2 * 100);
}

// A random affine adapter near the identity.
LinearAdapter RandomAdapter(int64_t d, uint64_t seed) {
  LinearAdapter adapter = LinearAdapter::Identity(d);
  adapter.kind = "two_sided_linear";
  adapter.maps_documents = true;
  std::mt19937_64 random(seed);
  std::normal_distribution<float> noise(0, 0.15f);
  for (auto* values : {&adapter.query_weight, &adapter.query_bias, &adapter.document_weight,
                       &adapter.document_bias}) {
    for (float& value : *values) value += noise(random);
  }
  return adapter;
}

class SpaceTest : public testing::TestWithParam<Distance> {
 protected:
  SpaceTest() : job_(MakeSyntheticJob(21, 200, 60)) {
    space_ = *VectorSpace::Create(job_.documents, job_.queries,
                                  {job_.dimension, GetParam(), DeviceChoice::kCpu, 1});
    for (int32_t i = 0; i < 60; ++i) rows_.push_back(i);
  }
  std::vector<double> Map(const std::vector<float>& rows, size_t row, const std::vector<float>& w,
                          const std::vector<float>& b) const {
    const auto d = static_cast<size_t>(job_.dimension);
    std::vector<double> mapped(b.begin(), b.end());
    double square = 0;
    for (size_t i = 0; i < d; ++i) {
      for (size_t j = 0; j < d; ++j) mapped[i] += double{w[i * d + j]} * rows[row * d + j];
      square += mapped[i] * mapped[i];
    }
    if (GetParam() == Distance::kCosine) {
      for (double& value : mapped) value /= std::sqrt(square);
    }
    return mapped;
  }
  // By definition: map both sides, all inner products, sort.
  std::vector<int32_t> NaiveTop(const LinearAdapter& adapter, size_t query, size_t k) const {
    const auto q = Map(job_.queries, query, adapter.query_weight, adapter.query_bias);
    std::vector<std::pair<double, int32_t>> scored;
    for (size_t row = 0; row < 200; ++row) {
      const auto x = Map(job_.documents, row, adapter.document_weight, adapter.document_bias);
      double score = 0;
      for (size_t i = 0; i < x.size(); ++i) score += q[i] * x[i];
      scored.emplace_back(-score, static_cast<int32_t>(row));
    }
    std::ranges::sort(scored);
    std::vector<int32_t> top;
    for (size_t i = 0; i < k; ++i) top.push_back(scored[i].second);
    return top;
  }

  SyntheticJob job_;
  std::unique_ptr<VectorSpace> space_;
  std::vector<int32_t> rows_;
};

TEST_P(SpaceTest, SearchEqualsANaiveScanWhateverVersionIsStored) {
  const LinearAdapter identity = LinearAdapter::Identity(24);
  const LinearAdapter old = RandomAdapter(24, 1);
  const LinearAdapter fresh = RandomAdapter(24, 2);
  for (const LinearAdapter* query_version : {&identity, &old, &fresh}) {
    for (const LinearAdapter* document_version : {&identity, &old, &fresh}) {
      const Ranking ranking = space_->Search(*query_version, *document_version, rows_, 5, true, {});
      ASSERT_EQ(ranking.depth, 5);
      size_t equal = 0;
      for (size_t i = 0; i < rows_.size(); ++i) {
        const auto top = ranking.Of(i);
        equal += std::vector<int32_t>(top.begin(), top.end()) == NaiveTop(*query_version, i, 5);
      }
      EXPECT_GE(equal, 59) << "more than one near tie in 60 queries";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Distances, SpaceTest, testing::Values(Distance::kCosine, Distance::kDot),
                         [](const auto& test) {
                           return test.param == Distance::kCosine ? "Cosine" : "Dot";
                         });

TEST(VectorSpace, FindsGroupsOfSimilarQueries) {
  SyntheticJob job = MakeSyntheticJob(22, 50, 300);
  const auto d = static_cast<size_t>(job.dimension);
  for (const size_t copy : {size_t{7}, size_t{280}}) {  // Of query 5; far apart, in two blocks.
    std::copy_n(job.queries.begin() + static_cast<long>(5 * d), d,
                job.queries.begin() + static_cast<long>(copy * d));
  }
  const auto space = *VectorSpace::Create(job.documents, job.queries,
                                          {24, Distance::kCosine, DeviceChoice::kCpu, 1});
  std::vector<int32_t> rows;
  for (int32_t i = 0; i < 300; ++i) rows.push_back(i);
  const auto pairs = space->SimilarQueries(rows, 0.999, {});
  EXPECT_THAT(pairs, testing::UnorderedElementsAre(std::pair(5, 7), std::pair(5, 280)));
}

TEST(VectorSpace, RefusesCudaWhereThereIsNone) {
  if (torch::cuda::is_available()) GTEST_SKIP() << "this machine has a CUDA device";
  const SyntheticJob job = MakeSyntheticJob(23, 10, 10);
  const auto space = VectorSpace::Create(job.documents, job.queries,
                                         {24, Distance::kCosine, DeviceChoice::kCuda, 1});
  ASSERT_FALSE(space);
  EXPECT_EQ(space.error().code, ErrorCode::kFailedPrecondition);
}

TEST(WhiteningBasis, FullPowerMakesDocumentsIsotropicAndCentred) {
  SyntheticJob job = MakeSyntheticJob(24, 4000, 10);
  for (size_t row = 0; row < 4000; ++row) {  // One dominant direction and an offset.
    job.documents[row * 24] = job.documents[row * 24] * 5 + 2;
  }
  const auto space =
      *VectorSpace::Create(job.documents, job.queries, {24, Distance::kDot, DeviceChoice::kCpu, 1});
  const auto basis = WhiteningBasis::Fit(*space, {});
  ASSERT_TRUE(basis);
  const LinearAdapter map = basis->Map(1);
  const auto mapped =
      MapRows(space->tensors().documents, map.document_weight, map.document_bias, Distance::kDot);
  EXPECT_LT(mapped.mean(0).abs().max().item<double>(), 1e-4);
  const auto variance = mapped.var(0);
  EXPECT_LT((variance.max() / variance.min()).item<double>(), 1.2);
  const Geometry geometry = MeasureGeometry(*space, map, {});
  EXPECT_GT(geometry.effective_rank, geometry.base_effective_rank + 3);
  const std::vector<float> same(10 * 24, 0.5f);
  const auto flat = *VectorSpace::Create(same, same, {24, Distance::kDot, DeviceChoice::kCpu, 1});
  EXPECT_FALSE(WhiteningBasis::Fit(*flat, {}));
}

TEST(MeasureGeometry, MatchesHandComputedValues) {
  // Documents e1 and e2, query e1; the adapter doubles the second axis.
  const std::vector<float> documents = {1, 0, 0, 1};
  const std::vector<float> queries = {1, 0};
  const auto space =
      *VectorSpace::Create(documents, queries, {2, Distance::kDot, DeviceChoice::kCpu, 1});
  LinearAdapter adapter = LinearAdapter::Identity(2);
  adapter.maps_documents = true;
  adapter.document_weight[3] = 2;
  const std::vector<std::pair<int32_t, int32_t>> pairs = {{0, 0}, {0, 1}};
  const Geometry geometry = MeasureGeometry(*space, adapter, pairs);
  EXPECT_NEAR(geometry.condition, 2, 1e-9);
  EXPECT_NEAR(geometry.operator_norm_minus_identity, 1, 1e-9);
  EXPECT_NEAR(geometry.base_effective_rank, 2, 1e-6);
  EXPECT_NEAR(geometry.effective_rank,
              std::exp(-(std::log(1.0 / 3) / 3 + 2 * std::log(2.0 / 3) / 3)), 1e-6);
  EXPECT_NEAR(geometry.alignment, (0 + 5) / 2.0, 1e-6);
  EXPECT_NEAR(geometry.uniformity, -10, 1e-5);  // One pair at squared distance 5.
}

}  // namespace
}  // namespace almagest::training
