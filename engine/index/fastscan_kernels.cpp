#include "engine/index/fastscan_kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/index/fastscan_targets.h"

namespace almagest {
namespace {

uint32_t EstimateScalar(const CodeEstimate& input, float* estimates) {
  uint32_t below = 0;
  for (size_t j = 0; j < kCodesPerBlock; ++j) {
    const unsigned shift = j < 16 ? 0 : 4;
    uint32_t sum = 0;
    for (size_t g = 0; g < input.groups; ++g) {
      sum += input.tables[g * 16 + ((input.codes[g * 16 + j % 16] >> shift) & 15)];
    }
    const float signed_sum = std::fma(static_cast<float>(sum), input.step, input.bias);
    estimates[j] =
        std::fma(signed_sum, HalfToFloat(input.slope[j]), HalfToFloat(input.added[j])) + input.base;
    if (estimates[j] < input.threshold) below |= uint32_t{1} << j;
  }
  return below;
}

void FillTablesScalar(const float* coordinates, size_t groups, float steps_per_unit,
                      uint8_t* tables) {
  for (size_t g = 0; g < groups; ++g) {
    float smallest = 0.0f;
    for (size_t b = 0; b < 4; ++b) smallest += std::min(coordinates[g * 4 + b], 0.0f);
    for (size_t m = 0; m < 16; ++m) {
      float value = -smallest;
      for (size_t b = 0; b < 4; ++b) {
        if ((m >> b) & 1) value += coordinates[g * 4 + b];
      }
      const float steps = std::nearbyint(value * steps_per_unit);
      tables[g * 16 + m] = static_cast<uint8_t>(
          steps > 0 ? std::min(steps, static_cast<float>(kCodeTableMax)) : 0.0f);
    }
  }
}

CodeSums EncodeScalar(const float* rotated, const float* centre, size_t groups, uint8_t* nibbles) {
  CodeSums sums;
  for (size_t g = 0; g < groups; ++g) {
    unsigned bits = 0;
    for (size_t b = 0; b < 4; ++b) {
      const float c = centre[4 * g + b];
      const float v = rotated[4 * g + b] - c;
      const bool positive = v > 0.0f;
      bits |= static_cast<unsigned>(positive) << b;
      sums.magnitudes += std::fabs(v);
      sums.squares += v * v;
      sums.centre_signed += positive ? c : -c;
    }
    nibbles[g] = static_cast<uint8_t>(bits);
  }
  return sums;
}

void RotateScalar(const int8_t* matrix, const uint8_t* vector, size_t quads, size_t blocks,
                  int32_t* sums) {
  for (size_t b = 0; b < blocks; ++b) {
    for (size_t i = 0; i < 16; ++i) {
      int32_t sum = 0;
      for (size_t k = 0; k < quads; ++k) {
        for (size_t p = 0; p < 4; ++p) {
          sum += matrix[((b * quads + k) * 16 + i) * 4 + p] * vector[4 * k + p];
        }
      }
      sums[16 * b + i] = sum;
    }
  }
}

LevelRange QuantiseScalar(const float* values, size_t count, uint8_t* levels) {
  const auto [low, high] = std::minmax_element(values, values + count);
  const LevelRange range{*low, std::max((*high - *low) / 127.0f, 1e-30f)};
  const float inverse = 1.0f / range.step;
  for (size_t i = 0; i < count; ++i) {
    const float level = std::nearbyint((values[i] - range.smallest) * inverse);
    levels[i] = static_cast<uint8_t>(level > 0.0f ? std::min(level, 127.0f) : 0.0f);
  }
  return range;
}

TableRange TableRangeScalar(const float* coordinates, size_t groups) {
  TableRange range{1e-30f, 0.0f, 0.0f};
  for (size_t g = 0; g < groups; ++g) {
    float width = 0.0f;
    for (size_t b = 0; b < 4; ++b) {
      const float value = coordinates[4 * g + b];
      width += std::fabs(value);
      range.smallest_sum += std::min(value, 0.0f);
      range.sum += value;
    }
    range.widest = std::max(range.widest, width);
  }
  return range;
}

float ToFloat(uint16_t half) { return HalfToFloat(half); }
float ToFloat(uint8_t byte) { return byte; }

template <class Stored>
float DotScalar(const float* query, const Stored* row, size_t dimension) {
  float sum = 0.0f;
  for (size_t i = 0; i < dimension; ++i) sum += query[i] * ToFloat(row[i]);
  return sum;
}

template <class Stored>
float EuclidScalar(const float* query, const Stored* row, size_t dimension) {
  float sum = 0.0f;
  for (size_t i = 0; i < dimension; ++i) {
    const float difference = query[i] - ToFloat(row[i]);
    sum += difference * difference;
  }
  return sum;
}

}  // namespace

FastscanKernels ScalarFastscanKernels() {
  FastscanKernels kernels;
  kernels.target = "scalar";
  kernels.estimate = EstimateScalar;
  kernels.fill_tables = FillTablesScalar;
  kernels.encode = EncodeScalar;
  kernels.rotate = RotateScalar;
  kernels.quantise = QuantiseScalar;
  kernels.table_range = TableRangeScalar;
  kernels.dot_half = DotScalar<uint16_t>;
  kernels.euclid_half = EuclidScalar<uint16_t>;
  kernels.dot_byte = DotScalar<uint8_t>;
  kernels.euclid_byte = EuclidScalar<uint8_t>;
  return kernels;
}

std::vector<FastscanKernels> AllFastscanKernels() {
  std::vector<FastscanKernels> all;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    all.push_back(Avx512FastscanKernels());
  }
  if (avx2) all.push_back(Avx2FastscanKernels());
#endif
  all.push_back(ScalarFastscanKernels());
  return all;
}

const FastscanKernels& BestFastscanKernels() {
  static const FastscanKernels best = AllFastscanKernels().front();
  return best;
}

float HalfToFloat(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t mantissa = half & 1023;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t FloatToHalf(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return sign | 0x7E00u;   // NaN.
  if (magnitude >= 0x477FF000u) return sign | 0x7C00u;  // Rounds to 65536 or more.
  if (magnitude < 0x38800000u) {                        // Below 2^-14: a multiple of 2^-24.
    const float steps = std::nearbyint(std::bit_cast<float>(magnitude) * 0x1p24f);
    return sign | static_cast<uint16_t>(steps);
  }
  const uint32_t rounded = magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1);
  return sign | static_cast<uint16_t>(rounded >> 13);
}

uint16_t FloatToBoundedHalf(float value) {
  if (value != value) return FloatToHalf(0.0f);
  return FloatToHalf(std::clamp(value, -kHalfMax, kHalfMax));
}

}  // namespace almagest
