#include "training/residual_map.h"

#include <algorithm>
#include <cmath>

#include "storage/base/check.h"
#include "storage/base/checksum.h"
#include "training/query_residual.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

constexpr double kAverageDecay = 0.97;  // About the last 33 steps.
constexpr int64_t kReflectionPairs = 8;

// Seeded normal values that do not depend on LibTorch's generator (Box & Muller 1958).
std::vector<float> NormalValues(size_t count, double deviation, uint64_t seed) {
  std::vector<float> values(count);
  const auto uniform = [&](uint64_t i) {
    return (static_cast<double>(Mix64(seed ^ Mix64(i)) >> 11) + 0.5) * 0x1.0p-53;
  };
  for (size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(deviation * std::sqrt(-2 * std::log(uniform(2 * i))) *
                                   std::cos(2 * M_PI * uniform(2 * i + 1)));
  }
  return values;
}

std::vector<torch::Tensor> Copies(const std::vector<torch::Tensor>& tensors) {
  std::vector<torch::Tensor> copies;
  for (const torch::Tensor& tensor : tensors) copies.push_back(tensor.detach().clone());
  return copies;
}

}  // namespace

const char* QueryKind(Shape shape) {
  switch (shape) {
    case Shape::kFull:
      return "query_linear";
    case Shape::kLowRank:
      return "query_low_rank";
    case Shape::kDiagonal:
      return "query_diagonal";
    case Shape::kOrthogonal:
      return "query_orthogonal";
    case Shape::kMlp:
      return "query_mlp";
    case Shape::kMixture:
      return "query_mixture";
  }
  return "query_linear";
}

ResidualMap::ResidualMap(const Candidate& candidate, const TrainingOptions& options,
                         int64_t dimension, uint64_t seed, const torch::Device& device)
    : shape_(candidate.shape), maps_documents_(candidate.maps_documents) {
  ALMAGEST_CHECK(!(maps_documents_ && HasHiddenLayer(shape_)));
  const int64_t d = dimension;
  const auto zeros = [&](torch::IntArrayRef shape) {
    return torch::zeros(shape, torch::dtype(torch::kFloat32).device(device));
  };
  const auto normal = [&](int64_t rows) {
    return ToTensor(
        NormalValues(static_cast<size_t>(rows * d), 1.0 / std::sqrt(static_cast<double>(d)), seed),
        {rows, d}, device);
  };
  parameters_ = {zeros({d})};
  switch (shape_) {
    case Shape::kFull:
      parameters_.push_back(zeros({d, d}));
      break;
    case Shape::kLowRank:
      parameters_.push_back(normal(options.rank));
      parameters_.push_back(zeros({d, options.rank}));
      break;
    case Shape::kDiagonal:
      parameters_.push_back(zeros({d}));
      break;
    case Shape::kOrthogonal:
      parameters_.push_back(normal(std::min(kReflectionPairs, d)).repeat_interleave(2, 0));
      break;
    case Shape::kMlp:
      parameters_.push_back(normal(options.hidden));
      parameters_.push_back(zeros({options.hidden}));
      parameters_.push_back(zeros({d, options.hidden}));
      break;
    case Shape::kMixture:
      parameters_.push_back(normal(options.experts * options.rank));
      parameters_.push_back(zeros({options.experts, d}));
      parameters_.push_back(zeros({options.experts}));
      parameters_.push_back(zeros({d, options.experts * options.rank}));
      break;
  }
  average_ = Copies(parameters_);
  for (torch::Tensor& parameter : parameters_) parameter.set_requires_grad(true);
}

torch::Tensor ResidualMap::Change(const torch::Tensor& rows,
                                  const std::vector<torch::Tensor>& p) const {
  switch (shape_) {
    case Shape::kFull:
      return rows.mm(p[1].t());
    case Shape::kLowRank:
      return rows.mm(p[1].t()).mm(p[2].t());
    case Shape::kDiagonal:
      return rows * p[1];
    case Shape::kMlp:
      return MlpHidden(rows, p[1], p[2]).mm(p[3].t());
    case Shape::kMixture:
      return MixtureHidden(rows.mm(p[1].t()), Routes(rows, p[2], p[3])).mm(p[4].t());
    case Shape::kOrthogonal:
      break;
  }
  torch::Tensor reflected = rows;
  for (int64_t i = 0; i < p[1].size(0); ++i) {
    const torch::Tensor v = p[1][i] / p[1][i].norm().clamp_min(1e-12);
    reflected = reflected - 2 * reflected.matmul(v).unsqueeze(1) * v;
  }
  return reflected - rows;
}

torch::Tensor ResidualMap::Queries(const torch::Tensor& rows, Distance distance,
                                   bool averaged) const {
  const auto& p = averaged ? average_ : parameters_;
  return Normalised(rows + Change(rows, p) + p[0], distance);
}

torch::Tensor ResidualMap::Documents(const torch::Tensor& rows, Distance distance,
                                     bool averaged) const {
  if (!maps_documents_) return rows;
  return Normalised(rows + Change(rows, averaged ? average_ : parameters_), distance);
}

void ResidualMap::PlaceExperts(const torch::Tensor& rows, uint64_t seed) {
  if (shape_ != Shape::kMixture) return;
  const torch::NoGradGuard no_grad;
  const StartingRoutes routes = RoutesByCentres(rows, parameters_[3].size(0), seed);
  parameters_[2].copy_(routes.weight);
  parameters_[3].copy_(routes.bias);
  average_ = Copies(parameters_);
}

torch::Tensor ResidualMap::ExpertLoads(const torch::Tensor& rows, bool averaged) const {
  if (shape_ != Shape::kMixture) return {};
  const auto& p = averaged ? average_ : parameters_;
  return Routes(rows, p[2], p[3]).mean(0);
}

void ResidualMap::UpdateAverage(int64_t step) {
  const torch::NoGradGuard no_grad;
  const double keep = std::min(kAverageDecay, static_cast<double>(step) / (10.0 + step));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    average_[i].mul_(keep).add_(parameters_[i].detach(), 1 - keep);
  }
}

torch::Tensor ResidualMap::Matrix() const {
  const torch::NoGradGuard no_grad;
  ALMAGEST_CHECK(!HasHiddenLayer(shape_));
  // Change(e_i) is row i of (W - I)^T.
  const int64_t d = average_[0].size(0);
  std::vector<torch::Tensor> p;
  for (const torch::Tensor& value : average_) p.push_back(value.to(torch::kCPU, torch::kFloat64));
  const torch::Tensor unit = torch::eye(d, torch::kFloat64);
  return unit + Change(unit, p).t();
}

torch::Tensor ResidualMap::Shift() const { return average_[0].to(torch::kCPU, torch::kFloat64); }

HiddenLayer ResidualMap::Hidden() const {
  ALMAGEST_CHECK(HasHiddenLayer(shape_));
  std::vector<torch::Tensor> p;
  for (const torch::Tensor& value : average_) p.push_back(value.to(torch::kCPU, torch::kFloat64));
  if (shape_ == Shape::kMlp) return {p[1], p[2], p[3], {}, {}};
  return {p[1], torch::zeros({p[1].size(0)}, torch::kFloat64), p[4], p[2], p[3]};
}

std::vector<torch::Tensor> ResidualMap::CopyAverage() const { return Copies(average_); }

void ResidualMap::RestoreAverage(const std::vector<torch::Tensor>& copies) {
  average_ = Copies(copies);
}

std::vector<torch::Tensor> ResidualMap::Scaled(Shape shape,
                                               const std::vector<torch::Tensor>& average,
                                               double factor) {
  std::vector<torch::Tensor> scaled = Copies(average);
  if (shape == Shape::kOrthogonal) return scaled;
  scaled.front().mul_(factor);
  scaled.back().mul_(factor);  // P, B, g or U: the change is linear in it.
  return scaled;
}

}  // namespace almagest::training
