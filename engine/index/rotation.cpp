#include "engine/index/rotation.h"

// GCC 12 suspects Eigen's triangular product of reading an unset result.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "engine/index/distance.h"
#include "storage/base/check.h"
#include "storage/base/checksum.h"

namespace almagest {
namespace {

constexpr size_t kSampleRows = 8192;
constexpr uint32_t kCovarianceDimensionMax = 4096;
constexpr int kPowerSteps = 4;

using Matrix = Eigen::MatrixXf;

// Entries about normally distributed: sums of four uniform numbers. The same on every machine.
Matrix RandomMatrix(Eigen::Index rows, Eigen::Index columns, uint64_t seed) {
  Matrix random(rows, columns);
  for (Eigen::Index i = 0; i < random.size(); ++i) {
    const uint64_t bits = Mix64(seed ^ Mix64(static_cast<uint64_t>(i) + 1));
    float sum = -2.0f;
    for (int part = 0; part < 4; ++part) {
      sum += static_cast<float>((bits >> (16 * part)) & 0xFFFF) * 0x1p-16f;
    }
    random.data()[i] = sum;
  }
  return random;
}

// Orthonormal columns that span the same space.
Matrix Orthonormal(const Matrix& columns) {
  const Eigen::HouseholderQR<Matrix> qr(columns);
  return qr.householderQ() * Matrix::Identity(columns.rows(), columns.cols());
}

// Present rows, evenly spread, less their mean: one per column.
Matrix SampleRows(const DenseRowsView& rows, std::vector<float>& mean) {
  std::vector<uint32_t> sample;
  uint64_t present = 0;
  for (uint32_t row = 0; row < rows.count; ++row) present += rows.Present(row) ? 1 : 0;
  const uint64_t wanted = std::min<uint64_t>(present, kSampleRows);
  uint64_t seen = 0;
  for (uint32_t row = 0; row < rows.count; ++row) {
    if (!rows.Present(row)) continue;
    if ((seen + 1) * wanted / present > seen * wanted / present) sample.push_back(row);
    ++seen;
  }
  const auto dimension = static_cast<Eigen::Index>(rows.dimension);
  Matrix centred(dimension, static_cast<Eigen::Index>(sample.size()));
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(dimension);
  for (size_t i = 0; i < sample.size(); ++i) {
    const Eigen::Map<const Eigen::VectorXf> row(rows.Row(sample[i]), dimension);
    centred.col(static_cast<Eigen::Index>(i)) = row;
    sum += row.cast<double>();
  }
  if (!sample.empty()) sum /= static_cast<double>(sample.size());
  const Eigen::VectorXf centre = sum.cast<float>();
  centred.colwise() -= centre;
  mean.assign(centre.data(), centre.data() + dimension);
  return centred;
}

// code_bits x dimension with orthonormal rows (or, where there are more of them, columns).
Matrix TrainMatrix(const DenseRowsView& rows, uint32_t code_bits, uint64_t seed,
                   std::vector<float>& mean) {
  const auto dimension = static_cast<Eigen::Index>(rows.dimension);
  const auto bits = static_cast<Eigen::Index>(code_bits);
  const Matrix sample = SampleRows(rows, mean);
  if (bits >= dimension) return Orthonormal(RandomMatrix(bits, dimension, seed));
  if (rows.dimension > kCovarianceDimensionMax) {
    return RandomMatrix(bits, dimension, seed) / std::sqrt(static_cast<float>(dimension) / 3.0f);
  }
  // Subspace iteration towards the directions of largest variance. A share of the identity keeps
  // it well defined where the sample spans fewer directions than wanted.
  Matrix covariance = Matrix::Zero(dimension, dimension);
  covariance.selfadjointView<Eigen::Lower>().rankUpdate(sample);
  covariance.triangularView<Eigen::StrictlyUpper>() = covariance.transpose();
  const float ridge = covariance.trace() / static_cast<float>(dimension) * 1e-4f;
  covariance.diagonal().array() += std::max(ridge, 1e-30f);
  Matrix basis = Orthonormal(RandomMatrix(dimension, bits, seed));
  for (int step = 0; step < kPowerSteps; ++step) basis = Orthonormal(covariance * basis);
  const Matrix mixed = basis * Orthonormal(RandomMatrix(bits, bits, Mix64(seed)));
  return mixed.transpose();
}

}  // namespace

CodeRotation::CodeRotation(uint32_t dimension, uint32_t code_bits)
    : dimension_(dimension),
      code_bits_(code_bits),
      quads_((size_t{dimension} + 3) / 4),
      blocks_((size_t{code_bits} + 15) / 16),
      mean_(dimension, 0.0f),
      scale_(blocks_ * 16, 0.0f),
      row_sum_(blocks_ * 16, 0.0f),
      mean_dot_(blocks_ * 16, 0.0f),
      matrix_(blocks_ * quads_ * 64) {}

CodeRotation CodeRotation::Train(const DenseRowsView& rows, uint32_t code_bits, uint64_t seed) {
  ALMAGEST_CHECK(code_bits >= kCodeBitsMin && code_bits <= kCodeBitsMax && code_bits % 8 == 0);
  ALMAGEST_CHECK(rows.dimension > 0);
  CodeRotation rotation(rows.dimension, code_bits);
  const Matrix trained = TrainMatrix(rows, code_bits, seed, rotation.mean_);
  for (size_t b = 0; b < code_bits; ++b) {
    const auto weights = trained.row(static_cast<Eigen::Index>(b));
    const float scale = std::max(weights.cwiseAbs().maxCoeff(), 1e-30f) / 127.0f;
    rotation.scale_[b] = scale;
    for (size_t i = 0; i < rows.dimension; ++i) {
      rotation.matrix()[rotation.MatrixIndex(b, i)] =
          static_cast<int8_t>(std::lround(weights(static_cast<Eigen::Index>(i)) / scale));
    }
  }
  rotation.ComputeSums();
  return rotation;
}

void CodeRotation::ComputeSums() {
  for (size_t b = 0; b < code_bits_; ++b) {
    double sum = 0.0;
    double dot = 0.0;
    for (size_t i = 0; i < dimension_; ++i) {
      const double weight = matrix()[MatrixIndex(b, i)];
      sum += weight;
      dot += weight * static_cast<double>(mean_[i]);
    }
    row_sum_[b] = static_cast<float>(sum * static_cast<double>(scale_[b]));
    mean_dot_[b] = static_cast<float>(dot * static_cast<double>(scale_[b]));
  }
}

void CodeRotation::Rotate(const float* query, const FastscanKernels& kernels,
                          std::vector<uint8_t>& levels, std::vector<int32_t>& sums,
                          float* output) const {
  levels.resize(quads_ * 4);
  sums.resize(blocks_ * 16);
  for (size_t i = dimension_; i < levels.size(); ++i) levels[i] = 0;
  const LevelRange range = kernels.quantise(query, dimension_, levels.data());
  kernels.rotate(matrix(), levels.data(), quads_, blocks_, sums.data());
  for (size_t b = 0; b < sums.size(); ++b) {
    output[b] = static_cast<float>(sums[b]) * range.step * scale_[b] +
                range.smallest * row_sum_[b] - mean_dot_[b];
  }
}

std::vector<float> CodeRotation::FloatMatrix() const {
  std::vector<float> floats(size_t{code_bits_} * dimension_);
  for (size_t b = 0; b < code_bits_; ++b) {
    for (size_t i = 0; i < dimension_; ++i) {
      floats[b * dimension_ + i] = scale_[b] * static_cast<float>(matrix()[MatrixIndex(b, i)]);
    }
  }
  return floats;
}

void CodeRotation::RotateRow(const std::vector<float>& float_matrix, const float* row,
                             float* centred, float* output) const {
  const auto dot = KernelsFor(Metric::kDot).pair;
  for (size_t i = 0; i < dimension_; ++i) centred[i] = row[i] - mean_[i];
  for (size_t b = 0; b < code_bits_; ++b) {
    output[b] = dot(centred, float_matrix.data() + b * dimension_, dimension_);
  }
}

size_t CodeRotation::bytes() const {
  return (mean_.size() + scale_.size()) * sizeof(float) + matrix_.size();
}

std::vector<std::byte> CodeRotation::Serialise() const {
  std::vector<std::byte> bytes(this->bytes());
  std::byte* to = bytes.data();
  const auto append = [&to](const void* from, size_t count) {
    std::memcpy(to, from, count);
    to += count;
  };
  append(mean_.data(), mean_.size() * sizeof(float));
  append(scale_.data(), scale_.size() * sizeof(float));
  append(matrix_.data(), matrix_.size());
  return bytes;
}

Result<CodeRotation> CodeRotation::FromBytes(std::span<const std::byte> bytes, uint32_t dimension,
                                             uint32_t code_bits) {
  if (dimension == 0 || code_bits < kCodeBitsMin || code_bits > kCodeBitsMax ||
      code_bits % 8 != 0) {
    return Fail(ErrorCode::kCorruption, "a rotation from " + std::to_string(dimension) + " to " +
                                            std::to_string(code_bits) + " coordinates is invalid");
  }
  const size_t blocks = (size_t{code_bits} + 15) / 16;
  const size_t quads = (size_t{dimension} + 3) / 4;
  const size_t expected = (dimension + blocks * 16) * sizeof(float) + blocks * quads * 64;
  if (bytes.size() != expected) {
    return Fail(ErrorCode::kCorruption, "a rotation has " + std::to_string(bytes.size()) +
                                            " bytes instead of " + std::to_string(expected));
  }
  CodeRotation rotation(dimension, code_bits);
  const std::byte* from = bytes.data();
  const auto take = [&from](void* to, size_t count) {
    std::memcpy(to, from, count);
    from += count;
  };
  take(rotation.mean_.data(), rotation.mean_.size() * sizeof(float));
  take(rotation.scale_.data(), rotation.scale_.size() * sizeof(float));
  take(rotation.matrix_.data(), rotation.matrix_.size());
  rotation.ComputeSums();
  return rotation;
}

}  // namespace almagest
