// The hidden layer of queries as tensors: where it starts, its gradients, its folding, and the same
// by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "training/adapter_fold.h"
#include "training/query_residual.h"
#include "training/residual_map.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

constexpr int64_t kLayerWidth = 12;

TrainingOptions SmallLayers() {
  TrainingOptions options;
  options.hidden = 10;
  options.rank = 4;
  options.experts = 3;
  return options;
}

Candidate WithShape(Shape shape) {
  Candidate candidate;
  candidate.shape = shape;
  candidate.maps_documents = false;
  candidate.start = LinearAdapter::Identity(kLayerWidth);
  return candidate;
}

// A map whose average is random, and some rows that it is applied to.
ResidualMap RandomMap(const Candidate& candidate) {
  ResidualMap map(candidate, SmallLayers(), kLayerWidth, 3, torch::kCPU);
  std::vector<torch::Tensor> average = map.CopyAverage();
  for (torch::Tensor& value : average) value += torch::randn(value.sizes()) * 0.3;
  map.RestoreAverage(average);
  return map;
}

double LargestDifference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(HiddenLayer, StartsAsTheIdentityAndScalesBackToIt) {
  for (const Shape shape : {Shape::kMlp, Shape::kMixture}) {
    SCOPED_TRACE(QueryKind(shape));
    torch::manual_seed(7);
    const auto rows = Normalised(torch::randn({9, kLayerWidth}), Distance::kCosine);
    ResidualMap map(WithShape(shape), SmallLayers(), kLayerWidth, 3, torch::kCPU);
    map.PlaceExperts(rows, 5);
    for (const bool averaged : {false, true}) {
      EXPECT_TRUE(map.Queries(rows, Distance::kDot, averaged).equal(rows));
      EXPECT_TRUE(map.Documents(rows, Distance::kDot, averaged).equal(rows));
    }
    ResidualMap changed = RandomMap(WithShape(shape));
    EXPECT_GT(LargestDifference(changed.Queries(rows, Distance::kDot, true), rows), 0.1);
    const auto half = ResidualMap::Scaled(shape, changed.CopyAverage(), 0.5);
    const auto whole = changed.Queries(rows, Distance::kDot, true);
    changed.RestoreAverage(half);
    EXPECT_LT(LargestDifference(changed.Queries(rows, Distance::kDot, true), (rows + whole) / 2),
              1e-6);
    changed.RestoreAverage(ResidualMap::Scaled(shape, half, 0));
    EXPECT_TRUE(changed.Queries(rows, Distance::kDot, true).equal(rows));
  }
}

TEST(HiddenLayer, GradientsMatchFiniteDifferences) {
  torch::manual_seed(4);
  const auto wide = torch::dtype(torch::kFloat64);
  const auto rows = torch::randn({6, 5}, wide);
  const auto target = torch::randn({6, 5}, wide);
  for (const bool mixture : {false, true}) {
    SCOPED_TRACE(mixture ? "mixture" : "mlp");
    // V, c, U, R, s; an mlp leaves the last two alone.
    std::vector<torch::Tensor> p = {torch::randn({4, 5}, wide), torch::randn({4}, wide),
                                    torch::randn({5, 4}, wide), torch::randn({2, 5}, wide),
                                    torch::randn({2}, wide)};
    const auto loss = [&] {
      const auto hidden =
          mixture ? MixtureHidden(torch::addmm(p[1], rows, p[0].t()), Routes(rows, p[3], p[4]))
                  : MlpHidden(rows, p[0], p[1]);
      return ((rows + hidden.mm(p[2].t())) * target).sum();
    };
    for (torch::Tensor& value : p) value.set_requires_grad(true);
    loss().backward();
    const torch::NoGradGuard no_grad;
    for (size_t i = 0; i < (mixture ? p.size() : 3); ++i) {
      const torch::Tensor flat = p[i].view({-1});
      for (int64_t at = 0; at < flat.numel(); at += 3) {
        constexpr double kStep = 1e-6;
        flat[at] += kStep;
        const double above = loss().item<double>();
        flat[at] -= 2 * kStep;
        const double below = loss().item<double>();
        flat[at] += kStep;
        EXPECT_NEAR(p[i].grad().view({-1})[at].item<double>(), (above - below) / (2 * kStep), 1e-6)
            << "parameter " << i << ", entry " << at;
      }
    }
  }
}

// On a start that has a matrix and a bias, and saw queries scaled down.
TEST(HiddenLayer, FoldsIntoAnAdapterOfBaseVectors) {
  for (const Shape shape : {Shape::kMlp, Shape::kMixture}) {
    SCOPED_TRACE(QueryKind(shape));
    torch::manual_seed(8);
    Candidate candidate = WithShape(shape);
    const auto weight = torch::eye(kLayerWidth) + torch::randn({kLayerWidth, kLayerWidth}) * 0.3;
    const auto bias = torch::randn({kLayerWidth}) * 0.2;
    candidate.start.query_weight = ToVector(weight);
    candidate.start.query_bias = ToVector(bias);
    candidate.start.document_weight = ToVector(weight * 2);
    candidate.start.maps_documents = true;
    const ResidualMap map = RandomMap(candidate);
    constexpr double kLength = 1.7;
    const LinearAdapter folded = FoldAdapter(candidate, map, kLength);
    EXPECT_EQ(folded.kind, QueryKind(shape));
    EXPECT_TRUE(folded.maps_documents);
    EXPECT_EQ(folded.document_weight, candidate.start.document_weight);
    const auto rows = Normalised(torch::randn({20, kLayerWidth}), Distance::kCosine);
    const auto started = (rows.mm(weight.t()) + bias) / kLength;
    EXPECT_LT(LargestDifference(MapQueries(rows, folded, Distance::kDot),
                                map.Queries(started, Distance::kDot, true) * kLength),
              1e-4);
    EXPECT_LT(LargestDifference(MapQueries(rows, folded, Distance::kCosine),
                                map.Queries(started, Distance::kCosine, true)),
              1e-5);
  }
}

TEST(HiddenLayer, MapsQueriesAsByHand) {
  torch::manual_seed(9);
  for (const Shape shape : {Shape::kMlp, Shape::kMixture}) {
    SCOPED_TRACE(QueryKind(shape));
    const LinearAdapter adapter =
        FoldAdapter(WithShape(shape), RandomMap(WithShape(shape)), /*query_length=*/1);
    const ResidualTensors& t = adapter.query_residual;
    const auto rows = torch::randn({7, kLayerWidth});
    const auto mapped = MapQueries(rows, adapter, Distance::kDot);
    for (int64_t row = 0; row < 7; ++row) {
      const std::vector<float> x = ToVector(rows[row]);
      const auto line = [&](const std::vector<float>& matrix, const std::vector<float>& offset,
                            int64_t i) {
        double sum = offset[static_cast<size_t>(i)];
        for (size_t j = 0; j < x.size(); ++j) {
          sum += double{matrix[static_cast<size_t>(i) * x.size() + j]} * x[j];
        }
        return sum;
      };
      double all = 0;
      for (int64_t e = 0; e < t.experts; ++e)
        all += std::exp(line(t.route_weight, t.route_bias, e));
      for (int64_t i = 0; i < kLayerWidth; ++i) {
        double y = line(adapter.query_weight, adapter.query_bias, i);
        for (int64_t unit = 0; unit < t.hidden; ++unit) {
          double h = line(t.hidden_weight, t.hidden_bias, unit);
          if (t.experts == 0) {
            h = std::max(h, 0.0);
          } else {
            h *= std::exp(line(t.route_weight, t.route_bias, unit / (t.hidden / t.experts))) / all;
          }
          y += h * t.output_weight[static_cast<size_t>(i * t.hidden + unit)];
        }
        EXPECT_NEAR(mapped[row][i].item<double>(), y, 1e-4);
      }
    }
  }
}

// Three bunches of 60, 30 and 10 %: an expert each, and none that gets nothing.
TEST(HiddenLayer, RoutesStartWithTheBunchesThatQueriesForm) {
  torch::manual_seed(10);
  std::vector<torch::Tensor> parts;
  for (const auto& [rows, axis] : {std::pair{600, 0}, {300, 1}, {100, 2}}) {
    parts.push_back(torch::randn({rows, kLayerWidth}) * 0.1);
    parts.back().select(1, axis) += 1;
  }
  const auto rows = torch::cat(parts);
  const StartingRoutes start = RoutesByCentres(rows, 3, 1);
  const auto routes = Routes(rows, start.weight, start.bias);
  EXPECT_LT(LargestDifference(routes.mean(0), torch::full({3}, 1.0 / 3)), 0.02);
  const auto of = [&](int64_t first, int64_t count) {
    return routes.narrow(0, first, count).mean(0);
  };
  const auto small = of(900, 100);
  const auto other = of(600, 300);
  EXPECT_NE(small.argmax().item<int64_t>(), other.argmax().item<int64_t>());
  EXPECT_GT(small.max().item<double>(), 0.9);
  const StartingRoutes again = RoutesByCentres(rows, 3, 1);
  EXPECT_TRUE(start.weight.equal(again.weight) && start.bias.equal(again.bias));
  // Rows that are all the same have no bunches: everybody gets as much.
  const StartingRoutes same = RoutesByCentres(torch::ones({50, kLayerWidth}), 4, 1);
  EXPECT_LT(LargestDifference(Routes(rows, same.weight, same.bias), torch::full({1, 4}, 0.25)),
            1e-6);
}

}  // namespace
}  // namespace almagest::training
