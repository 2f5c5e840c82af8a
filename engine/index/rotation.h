// The linear map in front of the code graph's 1-bit codes: from `dimension` to `code_bits`
// coordinates, the directions of largest variance first found and then mixed at random, so that
// every coordinate carries about the same and a sign of each is worth the same.
// Source: RaBitQ (Gao & Long, SIGMOD 2024) for the random rotation. That far fewer bits than
// dimensions do, once the directions are chosen by variance, is measured in
// docs/decisions/0003-graph-index.md.
//
// The matrix is kept in 8 bits with a scale per output coordinate, for rows and queries alike, so
// that both go through the very same map; queries are rounded to 7 bits on top. Both errors are
// well below that of a 1-bit code.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/index/code_memory.h"
#include "engine/index/dense_rows.h"
#include "engine/index/fastscan_kernels.h"
#include "storage/base/result.h"

namespace almagest {

inline constexpr uint32_t kCodeBitsMin = 8;
inline constexpr uint32_t kCodeBitsMax = 4096;

// Immutable after construction, thread-safe, movable.
class CodeRotation {
 public:
  // Learns the map from a sample of at most 8,192 present rows. code_bits: a multiple of 8 within
  // 8..4096. Where it is at least the dimension, a random rotation into the larger space; above
  // 4,096 dimensions a random projection, since the covariance would be too large.
  // Deterministic in `seed`. Cost: about 1 s for 784 dimensions, growing with the square.
  static CodeRotation Train(const DenseRowsView& rows, uint32_t code_bits, uint64_t seed);

  // The bytes of Serialise. kCorruption if their number does not fit.
  static Result<CodeRotation> FromBytes(std::span<const std::byte> bytes, uint32_t dimension,
                                        uint32_t code_bits);
  std::vector<std::byte> Serialise() const;

  uint32_t dimension() const { return dimension_; }
  uint32_t code_bits() const { return code_bits_; }
  // Floats that Rotate writes: code_bits rounded up to a multiple of 16.
  size_t output_count() const { return blocks_ * 16; }
  const std::vector<float>& mean() const { return mean_; }
  size_t bytes() const;

  // output = map of (query - mean). `levels` and `sums` are scratch. About 1 us for 784 x 384.
  void Rotate(const float* query, const FastscanKernels& kernels, std::vector<uint8_t>& levels,
              std::vector<int32_t>& sums, float* output) const;

  // The same map in floats, for rows: code_bits x dimension, row-major. RotateRow subtracts the
  // mean itself; `centred` is scratch of `dimension` floats.
  std::vector<float> FloatMatrix() const;
  void RotateRow(const std::vector<float>& float_matrix, const float* row, float* centred,
                 float* output) const;

 private:
  CodeRotation(uint32_t dimension, uint32_t code_bits);
  size_t MatrixIndex(size_t output, size_t input) const {
    return (((output / 16) * quads_ + input / 4) * 16 + output % 16) * 4 + input % 4;
  }
  int8_t* matrix() { return reinterpret_cast<int8_t*>(matrix_.data()); }
  const int8_t* matrix() const { return reinterpret_cast<const int8_t*>(matrix_.data()); }
  // From the matrix, the scales and the mean.
  void ComputeSums();

  uint32_t dimension_;
  uint32_t code_bits_;
  size_t quads_;                 // Inputs in fours.
  size_t blocks_;                // Outputs in sixteens.
  std::vector<float> mean_;      // Of the rows.
  std::vector<float> scale_;     // Per output: of one unit of the matrix.
  std::vector<float> row_sum_;   // Per output: the scaled sum of its weights,
  std::vector<float> mean_dot_;  // and of its weights times the mean.
  CodeMemory matrix_;            // As FastscanKernels::rotate reads it.
};

}  // namespace almagest
