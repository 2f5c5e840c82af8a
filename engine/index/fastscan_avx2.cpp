// The kernels of fastscan_kernels.h for AVX2 with FMA and F16C. Compiled into every x86-64 build by
// function attributes; called only where the processor has them.
#include "engine/index/fastscan_targets.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#define ALMAGEST_AVX2 __attribute__((target("avx2,fma,f16c")))

namespace almagest {
namespace {

// Sums of bytes into 16 bits, lane by lane: even bytes and odd bytes apart.
struct WideSums {
  __m256i even;
  __m256i odd;
};

ALMAGEST_AVX2 inline void Widen(__m256i bytes, WideSums& sums) {
  sums.even = _mm256_add_epi16(sums.even, _mm256_and_si256(bytes, _mm256_set1_epi16(255)));
  sums.odd = _mm256_add_epi16(sums.odd, _mm256_srli_epi16(bytes, 8));
}

// 16 sums in the order of their codes: the two lanes belong to different groups and are added.
ALMAGEST_AVX2 inline __m256i InOrder(const WideSums& sums) {
  const __m128i even =
      _mm_add_epi16(_mm256_castsi256_si128(sums.even), _mm256_extracti128_si256(sums.even, 1));
  const __m128i odd =
      _mm_add_epi16(_mm256_castsi256_si128(sums.odd), _mm256_extracti128_si256(sums.odd, 1));
  return _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd));
}

ALMAGEST_AVX2 inline uint32_t Finish(const CodeEstimate& input, __m128i sums, size_t first,
                                     float* estimates) {
  const __m256 sum = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(sums));
  const __m256 signed_sum =
      _mm256_fmadd_ps(sum, _mm256_set1_ps(input.step), _mm256_set1_ps(input.bias));
  const auto load = [first](const uint16_t* halves) ALMAGEST_AVX2 {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves + first)));
  };
  const __m256 estimate =
      _mm256_add_ps(_mm256_fmadd_ps(signed_sum, load(input.slope), load(input.added)),
                    _mm256_set1_ps(input.base));
  _mm256_storeu_ps(estimates + first, estimate);
  const __m256 below = _mm256_cmp_ps(estimate, _mm256_set1_ps(input.threshold), _CMP_LT_OQ);
  return static_cast<uint32_t>(_mm256_movemask_ps(below)) << first;
}

ALMAGEST_AVX2 uint32_t EstimateAvx2(const CodeEstimate& input, float* estimates) {
  const __m256i low_half = _mm256_set1_epi8(15);
  const __m256i zero = _mm256_setzero_si256();
  WideSums first{zero, zero};
  WideSums second{zero, zero};
  const size_t bytes = input.groups * 16;
  for (size_t i = 0; i < bytes;) {
    __m256i first_bytes = zero;
    __m256i second_bytes = zero;
    const size_t end = std::min(bytes, i + 4 * 32);
    for (; i < end; i += 32) {
      const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(input.codes + i));
      const __m256i tables = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(input.tables + i));
      first_bytes = _mm256_add_epi8(first_bytes,
                                    _mm256_shuffle_epi8(tables, _mm256_and_si256(codes, low_half)));
      second_bytes = _mm256_add_epi8(
          second_bytes,
          _mm256_shuffle_epi8(tables, _mm256_and_si256(_mm256_srli_epi16(codes, 4), low_half)));
    }
    Widen(first_bytes, first);
    Widen(second_bytes, second);
  }
  const __m256i first_sums = InOrder(first);
  const __m256i second_sums = InOrder(second);
  return Finish(input, _mm256_castsi256_si128(first_sums), 0, estimates) |
         Finish(input, _mm256_extracti128_si256(first_sums, 1), 8, estimates) |
         Finish(input, _mm256_castsi256_si128(second_sums), 16, estimates) |
         Finish(input, _mm256_extracti128_si256(second_sums, 1), 24, estimates);
}

ALMAGEST_AVX2 void FillTablesAvx2(const float* coordinates, size_t groups, float steps_per_unit,
                                  uint8_t* tables) {
  // Lane m of a mask is all ones where bit b of m is set.
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  __m256 masks[3];
  for (int b = 0; b < 3; ++b) {
    const __m256i bit = _mm256_set1_epi32(1 << b);
    masks[b] = _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(lanes, bit), bit));
  }
  const __m256 steps = _mm256_set1_ps(steps_per_unit);
  const __m128i top = _mm_set1_epi8(static_cast<char>(kCodeTableMax));
  for (size_t g = 0; g < groups; ++g) {
    const float* c = coordinates + g * 4;
    const float smallest =
        std::min(c[0], 0.0f) + std::min(c[1], 0.0f) + std::min(c[2], 0.0f) + std::min(c[3], 0.0f);
    __m256 low = _mm256_set1_ps(-smallest);
    for (int b = 0; b < 3; ++b) {
      low = _mm256_add_ps(low, _mm256_and_ps(masks[b], _mm256_set1_ps(c[b])));
    }
    const __m256 high = _mm256_add_ps(low, _mm256_set1_ps(c[3]));
    const __m256i low_steps = _mm256_cvtps_epi32(_mm256_mul_ps(low, steps));
    const __m256i high_steps = _mm256_cvtps_epi32(_mm256_mul_ps(high, steps));
    // Packing works within 128-bit lanes; the permutation puts the quarters back in order.
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low_steps, high_steps),
                                                   _MM_SHUFFLE(3, 1, 2, 0));
    const __m128i entries = _mm_min_epu8(
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)), top);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(tables + g * 16), entries);
  }
}

ALMAGEST_AVX2 inline float SumOfLanes(__m256 v) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

ALMAGEST_AVX2 CodeSums EncodeAvx2(const float* rotated, const float* centre, size_t groups,
                                  uint8_t* nibbles) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 magnitudes = _mm256_setzero_ps();
  __m256 squares = magnitudes;
  __m256 centre_signed = magnitudes;
  for (size_t g = 0; g < groups; g += 2) {
    const __m256 c = _mm256_loadu_ps(centre + 4 * g);
    const __m256 v = _mm256_sub_ps(_mm256_loadu_ps(rotated + 4 * g), c);
    const __m256 positive = _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_GT_OQ);
    magnitudes = _mm256_add_ps(magnitudes, _mm256_andnot_ps(sign, v));
    squares = _mm256_fmadd_ps(v, v, squares);
    centre_signed =
        _mm256_add_ps(centre_signed, _mm256_xor_ps(c, _mm256_andnot_ps(positive, sign)));
    const auto bits = static_cast<unsigned>(_mm256_movemask_ps(positive));
    nibbles[g] = static_cast<uint8_t>(bits & 15);
    nibbles[g + 1] = static_cast<uint8_t>(bits >> 4);
  }
  return {SumOfLanes(magnitudes), SumOfLanes(squares), SumOfLanes(centre_signed)};
}

ALMAGEST_AVX2 void RotateAvx2(const int8_t* matrix, const uint8_t* vector, size_t quads,
                              size_t blocks, int32_t* sums) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (size_t b = 0; b < blocks; ++b) {
    __m256i first = _mm256_setzero_si256();
    __m256i second = first;
    const int8_t* block = matrix + b * quads * 64;
    for (size_t k = 0; k < quads; ++k) {
      int32_t quad;
      std::memcpy(&quad, vector + 4 * k, 4);
      const __m256i inputs = _mm256_set1_epi32(quad);
      const auto* weights = reinterpret_cast<const __m256i*>(block + k * 64);
      // Pairs of products fit 16 bits: 2 * 127 * 127 < 2^15.
      first = _mm256_add_epi32(
          first,
          _mm256_madd_epi16(_mm256_maddubs_epi16(inputs, _mm256_loadu_si256(weights)), ones));
      second = _mm256_add_epi32(
          second,
          _mm256_madd_epi16(_mm256_maddubs_epi16(inputs, _mm256_loadu_si256(weights + 1)), ones));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + 16 * b), first);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(sums + 16 * b + 8), second);
  }
}

ALMAGEST_AVX2 inline float LargestLane(__m256 v) {
  __m128 largest = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  largest = _mm_max_ps(largest, _mm_movehl_ps(largest, largest));
  return _mm_cvtss_f32(_mm_max_ss(largest, _mm_movehdup_ps(largest)));
}

ALMAGEST_AVX2 LevelRange QuantiseAvx2(const float* values, size_t count, uint8_t* levels) {
  const size_t whole = count / 8 * 8;
  __m256 largest = _mm256_set1_ps(values[0]);
  __m256 negated = _mm256_set1_ps(-values[0]);
  for (size_t i = 0; i < whole; i += 8) {
    const __m256 v = _mm256_loadu_ps(values + i);
    largest = _mm256_max_ps(largest, v);
    negated = _mm256_max_ps(negated, _mm256_sub_ps(_mm256_setzero_ps(), v));
  }
  float high = LargestLane(largest);
  float low = -LargestLane(negated);
  for (size_t i = whole; i < count; ++i) {
    high = std::max(high, values[i]);
    low = std::min(low, values[i]);
  }
  const LevelRange range{low, std::max((high - low) / 127.0f, 1e-30f)};
  const float inverse = 1.0f / range.step;
  const auto quantise = [&](const float* from) ALMAGEST_AVX2 {
    const __m256i steps = _mm256_cvtps_epi32(_mm256_mul_ps(
        _mm256_sub_ps(_mm256_loadu_ps(from), _mm256_set1_ps(low)), _mm256_set1_ps(inverse)));
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(steps), _mm256_extracti128_si256(steps, 1));
    const __m128i bytes = _mm_min_epu8(_mm_packus_epi16(words, words), _mm_set1_epi8(127));
    return _mm_cvtsi128_si64(bytes);
  };
  for (size_t i = 0; i < whole; i += 8) {
    const auto bytes = quantise(values + i);
    std::memcpy(levels + i, &bytes, 8);
  }
  if (whole < count) {
    float rest[8] = {low, low, low, low, low, low, low, low};
    std::copy(values + whole, values + count, rest);
    const auto bytes = quantise(rest);
    std::memcpy(levels + whole, &bytes, count - whole);
  }
  return range;
}

ALMAGEST_AVX2 TableRange TableRangeAvx2(const float* coordinates, size_t groups) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 widest = _mm256_set1_ps(1e-30f);
  __m256 smallest_sum = _mm256_setzero_ps();
  __m256 sum = smallest_sum;
  for (size_t g = 0; g < groups; g += 2) {
    const __m256 v = _mm256_loadu_ps(coordinates + 4 * g);
    __m256 width = _mm256_andnot_ps(sign, v);
    width = _mm256_add_ps(width, _mm256_permute_ps(width, 0xB1));
    width = _mm256_add_ps(width, _mm256_permute_ps(width, 0x4E));
    widest = _mm256_max_ps(widest, width);
    smallest_sum = _mm256_add_ps(smallest_sum, _mm256_min_ps(v, _mm256_setzero_ps()));
    sum = _mm256_add_ps(sum, v);
  }
  return {LargestLane(widest), SumOfLanes(smallest_sum), SumOfLanes(sum)};
}

ALMAGEST_AVX2 inline void Load(const uint16_t* row, __m256& values) {
  values = _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row)));
}
ALMAGEST_AVX2 inline void Load(const uint8_t* row, __m256& values) {
  values = _mm256_cvtepi32_ps(
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(row))));
}

template <bool kEuclid, class Stored>
ALMAGEST_AVX2 inline void AddStep(const float* query, const Stored* row, __m256& sum) {
  __m256 r;
  Load(row, r);
  const __m256 q = _mm256_loadu_ps(query);
  if constexpr (kEuclid) {
    const __m256 difference = _mm256_sub_ps(q, r);
    sum = _mm256_fmadd_ps(difference, difference, sum);
  } else {
    sum = _mm256_fmadd_ps(q, r, sum);
  }
}

template <bool kEuclid, class Stored>
ALMAGEST_AVX2 float ScoreAvx2(const float* query, const Stored* row, size_t dimension) {
  // In registers: the short loops have to be unrolled.
  __m256 sums[4];
#pragma GCC unroll 4
  for (size_t s = 0; s < 4; ++s) sums[s] = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 32 <= dimension; i += 32) {
#pragma GCC unroll 4
    for (size_t s = 0; s < 4; ++s) {
      AddStep<kEuclid>(query + i + 8 * s, row + i + 8 * s, sums[s]);
    }
  }
  for (; i + 8 <= dimension; i += 8) AddStep<kEuclid>(query + i, row + i, sums[0]);
  if (i < dimension) {
    float query_rest[8] = {};
    Stored row_rest[8] = {};
    std::copy(query + i, query + dimension, query_rest);
    std::copy(row + i, row + dimension, row_rest);
    AddStep<kEuclid>(query_rest, row_rest, sums[1]);
  }
  return SumOfLanes(
      _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
}

}  // namespace

FastscanKernels Avx2FastscanKernels() {
  FastscanKernels kernels;
  kernels.target = "AVX2";
  kernels.estimate = EstimateAvx2;
  kernels.fill_tables = FillTablesAvx2;
  kernels.encode = EncodeAvx2;
  kernels.rotate = RotateAvx2;
  kernels.quantise = QuantiseAvx2;
  kernels.table_range = TableRangeAvx2;
  kernels.dot_half = ScoreAvx2<false, uint16_t>;
  kernels.euclid_half = ScoreAvx2<true, uint16_t>;
  kernels.dot_byte = ScoreAvx2<false, uint8_t>;
  kernels.euclid_byte = ScoreAvx2<true, uint8_t>;
  return kernels;
}

}  // namespace almagest
#endif
