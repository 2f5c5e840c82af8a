#include "engine/linalg/query_residual.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/linalg/row_kernels.h"
#include "storage/base/check.h"

namespace almagest {

QueryResidual::QueryResidual(size_t dimensions, ResidualTensors tensors)
    : dimensions_(dimensions), tensors_(std::move(tensors)) {
  const auto hidden = static_cast<size_t>(tensors_.hidden);
  const auto experts = static_cast<size_t>(tensors_.experts);
  ALMAGEST_CHECK(dimensions > 0 && hidden > 0 && (experts == 0 || hidden % experts == 0));
  ALMAGEST_CHECK(tensors_.hidden_weight.size() == hidden * dimensions &&
                 tensors_.hidden_bias.size() == hidden &&
                 tensors_.output_weight.size() == hidden * dimensions &&
                 tensors_.route_weight.size() == experts * dimensions &&
                 tensors_.route_bias.size() == experts);
}

void QueryResidual::AddTo(std::span<const float> x, std::span<float> y) const {
  ALMAGEST_CHECK(x.size() == dimensions_ && y.size() == dimensions_);
  std::vector<float> hidden(static_cast<size_t>(tensors_.hidden));
  MatrixTimesColumn(tensors_.hidden_weight.data(), x.data(), tensors_.hidden_bias.data(),
                    hidden.size(), dimensions_, hidden.data());
  if (tensors_.experts > 0) {
    WeighByExperts(x, hidden);
  } else {
    for (float& value : hidden) value = std::max(value, 0.0f);
  }
  std::vector<float> added(dimensions_);
  MatrixTimesColumn(tensors_.output_weight.data(), hidden.data(), nullptr, dimensions_,
                    hidden.size(), added.data());
  for (size_t i = 0; i < dimensions_; ++i) y[i] += added[i];
}

void QueryResidual::WeighByExperts(std::span<const float> x, std::span<float> hidden) const {
  std::vector<float> routes(static_cast<size_t>(tensors_.experts));
  MatrixTimesColumn(tensors_.route_weight.data(), x.data(), tensors_.route_bias.data(),
                    routes.size(), dimensions_, routes.data());
  const float largest = *std::ranges::max_element(routes);
  float sum = 0;
  for (float& route : routes) sum += route = std::exp(route - largest);
  const size_t units = hidden.size() / routes.size();
  for (size_t i = 0; i < hidden.size(); ++i) hidden[i] *= routes[i / units] / sum;
}

size_t QueryResidual::bytes() const {
  return sizeof(float) * (tensors_.hidden_weight.size() + tensors_.hidden_bias.size() +
                          tensors_.output_weight.size() + tensors_.route_weight.size() +
                          tensors_.route_bias.size());
}

}  // namespace almagest
