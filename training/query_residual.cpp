#include "training/query_residual.h"

#include <algorithm>

#include "storage/base/checksum.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

constexpr int64_t kCentreRows = 4096;
constexpr int kCentreStarts = 4;
constexpr int kCentreIterations = 20;
constexpr double kLead = 3;
constexpr int kBalanceIterations = 50;

// Squared distances of rows to centres, less the rows' own squares: [n, E].
torch::Tensor Distances(const torch::Tensor& rows, const torch::Tensor& centres) {
  return centres.square().sum(1) - 2 * rows.mm(centres.t());
}

}  // namespace

torch::Tensor MapQueries(const torch::Tensor& rows, const LinearAdapter& adapter,
                         Distance distance) {
  const ResidualTensors& residual = adapter.query_residual;
  if (residual.hidden == 0) {
    return MapRows(rows, adapter.query_weight, adapter.query_bias, distance);
  }
  const int64_t d = rows.size(1);
  const torch::Device device = rows.device();
  const torch::Tensor weight = ToTensor(residual.hidden_weight, {residual.hidden, d}, device);
  const torch::Tensor bias = ToTensor(residual.hidden_bias, {residual.hidden}, device);
  torch::Tensor hidden;
  if (residual.experts == 0) {
    hidden = MlpHidden(rows, weight, bias);
  } else {
    hidden =
        MixtureHidden(torch::addmm(bias, rows, weight.t()),
                      Routes(rows, ToTensor(residual.route_weight, {residual.experts, d}, device),
                             ToTensor(residual.route_bias, {residual.experts}, device)));
  }
  const torch::Tensor output = ToTensor(residual.output_weight, {d, residual.hidden}, device);
  return Normalised(MapRows(rows, adapter.query_weight, adapter.query_bias, Distance::kDot) +
                        hidden.mm(output.t()),
                    distance);
}

torch::Tensor MlpHidden(const torch::Tensor& rows, const torch::Tensor& hidden_weight,
                        const torch::Tensor& hidden_bias) {
  return torch::addmm(hidden_bias, rows, hidden_weight.t()).relu();
}

torch::Tensor Routes(const torch::Tensor& rows, const torch::Tensor& route_weight,
                     const torch::Tensor& route_bias) {
  return torch::addmm(route_bias, rows, route_weight.t()).softmax(1);
}

torch::Tensor MixtureHidden(const torch::Tensor& inner, const torch::Tensor& routes) {
  const int64_t n = inner.size(0);
  return (inner.view({n, routes.size(1), -1}) * routes.unsqueeze(2)).view({n, inner.size(1)});
}

StartingRoutes RoutesByCentres(const torch::Tensor& rows, int64_t experts, uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const int64_t all = rows.size(0);
  const int64_t stride = all / kCentreRows + 1;
  const torch::Tensor sample = rows.slice(0, 0, all, stride);
  const int64_t n = sample.size(0);
  torch::Tensor best;
  double best_spread = 0;
  for (int start = 0; start < kCentreStarts; ++start) {
    std::vector<int32_t> picked;
    for (int64_t e = 0; e < experts; ++e) {
      const auto number = static_cast<uint64_t>(start * experts + e);
      picked.push_back(
          static_cast<int32_t>(Mix64(seed ^ Mix64(number)) % static_cast<uint64_t>(n)));
    }
    torch::Tensor centres = sample.index_select(0, ToIndex(picked, sample.device()));
    for (int iteration = 0; iteration < kCentreIterations; ++iteration) {
      // Sums as a product: index_add would differ from run to run on a GPU.
      const torch::Tensor members =
          torch::one_hot(Distances(sample, centres).argmin(1), experts).to(torch::kFloat32);
      const torch::Tensor counts = members.sum(0).unsqueeze(1);
      centres = torch::where(counts > 0, members.t().mm(sample) / counts.clamp_min(1), centres);
    }
    const double spread = std::get<0>(Distances(sample, centres).min(1)).sum().item<double>();
    if (start == 0 || spread < best_spread) {
      best = centres;
      best_spread = spread;
    }
  }
  // Half the distance is what a logit has of the square, up to what all experts share.
  const torch::Tensor logits = Distances(sample, best) * -0.5;
  const torch::Tensor first = std::get<0>(logits.topk(2, 1));
  const double lead = (first.select(1, 0) - first.select(1, 1)).mean().item<double>();
  const double sharpness = lead > 1e-12 ? kLead / lead : 0;
  StartingRoutes routes = {best * sharpness, best.square().sum(1) * (-0.5 * sharpness)};
  // Bunches are not of one size, and who starts with nothing learns nothing.
  for (int iteration = 0; iteration < kBalanceIterations; ++iteration) {
    const torch::Tensor loads = Routes(sample, routes.weight, routes.bias).mean(0);
    routes.bias -= (loads.clamp_min(1e-6) * static_cast<double>(experts)).log();
  }
  return routes;
}

}  // namespace almagest::training
