#include "engine/linalg/linear_map.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <string>

#include "engine/linalg/matmul.h"
#include "engine/linalg/row_kernels.h"
#include "storage/base/check.h"

namespace almagest {
namespace {

constexpr double kConditionMax = 1e5;

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Matrix ToMatrix(const LinearMap& map) {
  const auto n = static_cast<Eigen::Index>(map.dimensions());
  if (map.is_identity()) return Matrix::Identity(n, n);
  using FloatMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const FloatMatrix>(map.weights().data(), n, n).cast<double>();
}

Eigen::VectorXd ToVector(std::span<const float> values, size_t n) {
  if (values.empty()) return Eigen::VectorXd::Zero(static_cast<Eigen::Index>(n));
  return Eigen::Map<const Eigen::VectorXf>(values.data(), static_cast<Eigen::Index>(n))
      .cast<double>();
}

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

}  // namespace

struct LinearMap::State {
  State(size_t n, std::vector<float> w, std::vector<float> b)
      : dimensions(n), weights(std::move(w)), bias(std::move(b)) {
    if (!weights.empty()) {
      matmul = std::make_unique<Matmul>(weights, bias, n, n, WeightLayout::kOutputMajor);
    }
  }
  size_t dimensions;
  std::vector<float> weights;  // Empty for the identity.
  std::vector<float> bias;     // Empty for none.
  std::unique_ptr<Matmul> matmul;
};

Result<LinearMap> LinearMap::Create(size_t dimensions, std::vector<float> weights,
                                    std::vector<float> bias) {
  if (dimensions == 0 || weights.size() / dimensions != dimensions ||
      weights.size() % dimensions != 0) {
    return Fail(ErrorCode::kInvalidArgument, "the map has " + std::to_string(weights.size()) +
                                                 " weights; " + std::to_string(dimensions) +
                                                 " dimensions need their square");
  }
  if (!bias.empty() && bias.size() != dimensions) {
    return Fail(ErrorCode::kInvalidArgument, "the map has a bias of " +
                                                 std::to_string(bias.size()) +
                                                 " values; it needs " + std::to_string(dimensions));
  }
  if (!AllFinite(weights) || !AllFinite(bias)) {
    return Fail(ErrorCode::kInvalidArgument, "the map has a value that is not finite");
  }
  return LinearMap(std::make_shared<const State>(dimensions, std::move(weights), std::move(bias)));
}

LinearMap LinearMap::Identity(size_t dimensions) {
  ALMAGEST_CHECK(dimensions > 0);
  return LinearMap(
      std::make_shared<const State>(dimensions, std::vector<float>(), std::vector<float>()));
}

size_t LinearMap::dimensions() const { return state_->dimensions; }
bool LinearMap::is_identity() const { return state_->matmul == nullptr; }
std::span<const float> LinearMap::weights() const { return state_->weights; }
std::span<const float> LinearMap::bias() const { return state_->bias; }

float LinearMap::Apply(std::span<const float> x, std::span<float> y, bool normalize) const {
  float norm = 0;
  ApplyBatch(x, 1, y, normalize, {&norm, 1});
  return norm;
}

void LinearMap::ApplyBatch(std::span<const float> x, size_t rows, std::span<float> y,
                           bool normalize, std::span<float> norms) const {
  const size_t n = state_->dimensions;
  ALMAGEST_CHECK(x.size() == rows * n && y.size() == rows * n);
  ALMAGEST_CHECK(norms.empty() || norms.size() == rows);
  if (is_identity()) {
    std::copy(x.begin(), x.end(), y.begin());
  } else {
    state_->matmul->Run(x.data(), rows, y.data());
  }
  for (size_t row = 0; row < rows; ++row) {
    float* values = y.data() + row * n;
    if (!normalize && norms.empty()) continue;
    const float norm = normalize && !is_identity() ? NormalizeInPlace(values, n)
                                                   : std::sqrt(DotProduct(values, values, n));
    // A unit vector through the identity keeps its bits: normalising it again would flip some.
    if (normalize && is_identity() && std::abs(norm - 1.0f) > 1e-5f) NormalizeInPlace(values, n);
    if (!norms.empty()) norms[row] = norm;
  }
}

Result<CrossVersionMap> CrossVersionMap::Compose(const LinearMap& target, const LinearMap& stored) {
  const size_t n = target.dimensions();
  if (stored.dimensions() != n) {
    return Fail(ErrorCode::kInvalidArgument, "a map of " + std::to_string(n) +
                                                 " dimensions cannot search documents of " +
                                                 std::to_string(stored.dimensions()));
  }
  CrossVersionMap map;
  map.dimensions_ = n;
  Matrix transform = ToMatrix(target);
  if (!stored.is_identity()) {
    // M W_k = W_t, so W_k^T M^T = W_t^T. The 1-norm condition of W_k^T is what bounds the error.
    const Eigen::PartialPivLU<Matrix> solver(ToMatrix(stored).transpose());
    const double reciprocal = solver.rcond();
    map.condition_ = reciprocal > 0 ? 1 / reciprocal : INFINITY;
    if (!(map.condition_ <= kConditionMax)) {
      return Fail(ErrorCode::kFailedPrecondition,
                  "the stored version's document map cannot be inverted: its condition number is " +
                      std::to_string(map.condition_) + ", over " + std::to_string(kConditionMax));
    }
    transform = solver.solve(transform.transpose()).transpose().eval();
  }
  const Eigen::VectorXd offset =
      ToVector(target.bias(), n) - transform * ToVector(stored.bias(), n);
  map.transform_.resize(n * n);
  std::transform(transform.data(), transform.data() + n * n, map.transform_.begin(),
                 [](double value) { return static_cast<float>(value); });
  map.offset_.assign(offset.begin(), offset.end());
  return map;
}

float CrossVersionMap::MapQuery(std::span<const float> query, std::span<float> mapped) const {
  ALMAGEST_CHECK(query.size() == dimensions_ && mapped.size() == dimensions_);
  RowTimesMatrix(query.data(), transform_.data(), nullptr, dimensions_, dimensions_, mapped.data());
  return DotProduct(query.data(), offset_.data(), dimensions_);
}

}  // namespace almagest
