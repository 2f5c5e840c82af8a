#include "tests/bench/learning/compatibility_map.h"

#include <ATen/CPUGeneratorImpl.h>

#include "training/vector_space_tensors.h"

namespace almagest::bench {

CompatibilityMap::CompatibilityMap(MapShape shape, bool maps_documents, int64_t dimension,
                                   uint64_t seed)
    : shape_(shape), maps_documents_(maps_documents) {
  const int64_t hidden = std::max<int64_t>(1, dimension / 2);
  parameters_ = {torch::zeros({dimension})};
  if (shape_ == MapShape::kLinear) {
    parameters_.push_back(torch::zeros({dimension, dimension}));
  } else {
    // Rows have length 1, so hidden values start with variance 1.
    parameters_.push_back(
        torch::randn({hidden, dimension}, at::detail::createCPUGenerator(seed), torch::kFloat32));
    parameters_.push_back(torch::zeros({hidden}));
    parameters_.push_back(torch::zeros({dimension, hidden}));
  }
  for (torch::Tensor& parameter : parameters_) parameter.set_requires_grad(true);
}

torch::Tensor CompatibilityMap::Change(const torch::Tensor& rows) const {
  const auto& p = parameters_;
  if (shape_ == MapShape::kLinear) return rows.mm(p[1].t());
  return torch::gelu(torch::addmm(p[2], rows, p[1].t())).mm(p[3].t());
}

torch::Tensor CompatibilityMap::Queries(const torch::Tensor& rows) const {
  return training::Normalised(rows + Change(rows) + parameters_[0], training::Distance::kCosine);
}

torch::Tensor CompatibilityMap::Documents(const torch::Tensor& rows) const {
  if (!maps_documents_) return rows;
  return training::Normalised(rows + Change(rows), training::Distance::kCosine);
}

torch::Tensor CompatibilityMap::DocumentMatrix() const {
  const torch::Tensor identity = torch::eye(parameters_[0].size(0));
  return maps_documents_ && shape_ == MapShape::kLinear ? identity + parameters_[1].detach()
                                                        : identity;
}

std::vector<torch::Tensor> CompatibilityMap::Copy() const {
  std::vector<torch::Tensor> copies;
  for (const torch::Tensor& parameter : parameters_) copies.push_back(parameter.detach().clone());
  return copies;
}

void CompatibilityMap::Restore(const std::vector<torch::Tensor>& copies) {
  const torch::NoGradGuard no_grad;
  for (size_t i = 0; i < copies.size(); ++i) parameters_[i].copy_(copies[i]);
}

}  // namespace almagest::bench
