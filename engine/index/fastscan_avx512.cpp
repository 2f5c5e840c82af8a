// The kernels of fastscan_kernels.h for AVX-512 with VNNI. Compiled into every x86-64 build by
// function attributes; called only where the processor has them.
#include "engine/index/fastscan_targets.h"

#if defined(__x86_64__)
// GCC 12 takes the undefined operands inside its own intrinsics for mistakes (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#define ALMAGEST_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))

namespace almagest {
namespace {

// Sums of bytes into 16 bits, lane by lane: even bytes and odd bytes apart.
struct WideSums {
  __m512i even;
  __m512i odd;
};

ALMAGEST_AVX512 inline void Widen(__m512i bytes, WideSums& sums) {
  sums.even = _mm512_add_epi16(sums.even, _mm512_and_si512(bytes, _mm512_set1_epi16(255)));
  sums.odd = _mm512_add_epi16(sums.odd, _mm512_srli_epi16(bytes, 8));
}

// The four 128-bit lanes belong to different groups and are added.
ALMAGEST_AVX512 inline __m128i AddLanes(__m512i v) {
  const __m256i half = _mm256_add_epi16(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  return _mm_add_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// 16 sums in the order of their codes, as floats.
ALMAGEST_AVX512 inline __m512 InOrder(const WideSums& sums) {
  const __m128i even = AddLanes(sums.even);
  const __m128i odd = AddLanes(sums.odd);
  return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(
      _mm256_set_m128i(_mm_unpackhi_epi16(even, odd), _mm_unpacklo_epi16(even, odd))));
}

ALMAGEST_AVX512 inline uint32_t Finish(const CodeEstimate& input, __m512 sums, size_t first,
                                       float* estimates) {
  const __m512 signed_sum =
      _mm512_fmadd_ps(sums, _mm512_set1_ps(input.step), _mm512_set1_ps(input.bias));
  const __m512 slope =
      _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(input.slope + first)));
  const __m512 added =
      _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(input.added + first)));
  const __m512 estimate =
      _mm512_add_ps(_mm512_fmadd_ps(signed_sum, slope, added), _mm512_set1_ps(input.base));
  _mm512_storeu_ps(estimates + first, estimate);
  return uint32_t{_mm512_cmp_ps_mask(estimate, _mm512_set1_ps(input.threshold), _CMP_LT_OQ)}
         << first;
}

ALMAGEST_AVX512 inline void LookUp(__m512i codes, __m512i tables, __m512i& first, __m512i& second) {
  const __m512i low_half = _mm512_set1_epi8(15);
  first = _mm512_add_epi8(first, _mm512_shuffle_epi8(tables, _mm512_and_si512(codes, low_half)));
  second = _mm512_add_epi8(
      second, _mm512_shuffle_epi8(tables, _mm512_and_si512(_mm512_srli_epi16(codes, 4), low_half)));
}

ALMAGEST_AVX512 uint32_t EstimateAvx512(const CodeEstimate& input, float* estimates) {
  const __m512i zero = _mm512_setzero_si512();
  WideSums first{zero, zero};
  WideSums second{zero, zero};
  const size_t bytes = input.groups * 16;
  const size_t whole = bytes / 64 * 64;
  for (size_t i = 0; i < whole;) {
    __m512i first_bytes = zero;
    __m512i second_bytes = zero;
    const size_t end = std::min(whole, i + 4 * 64);
    for (; i < end; i += 64) {
      LookUp(_mm512_loadu_si512(input.codes + i), _mm512_loadu_si512(input.tables + i), first_bytes,
             second_bytes);
    }
    Widen(first_bytes, first);
    Widen(second_bytes, second);
  }
  if (whole < bytes) {
    // Two groups are left: lanes without tables look up zeros.
    __m512i first_bytes = zero;
    __m512i second_bytes = zero;
    const __mmask8 half = 0x0F;
    LookUp(_mm512_maskz_loadu_epi64(half, input.codes + whole),
           _mm512_maskz_loadu_epi64(half, input.tables + whole), first_bytes, second_bytes);
    Widen(first_bytes, first);
    Widen(second_bytes, second);
  }
  return Finish(input, InOrder(first), 0, estimates) |
         Finish(input, InOrder(second), 16, estimates);
}

ALMAGEST_AVX512 void FillTablesAvx512(const float* coordinates, size_t groups, float steps_per_unit,
                                      uint8_t* tables) {
  // Lanes whose number has bit b set.
  constexpr __mmask16 kLanes[4] = {0xAAAA, 0xCCCC, 0xF0F0, 0xFF00};
  const __m512 steps = _mm512_set1_ps(steps_per_unit);
  const __m512i top = _mm512_set1_epi32(kCodeTableMax);
  for (size_t g = 0; g < groups; ++g) {
    const float* c = coordinates + g * 4;
    __m512 value = _mm512_set1_ps(-(std::min(c[0], 0.0f) + std::min(c[1], 0.0f) +
                                    std::min(c[2], 0.0f) + std::min(c[3], 0.0f)));
#pragma GCC unroll 4
    for (size_t b = 0; b < 4; ++b) {
      value = _mm512_mask_add_ps(value, kLanes[b], value, _mm512_set1_ps(c[b]));
    }
    const __m512i entries = _mm512_min_epi32(
        _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(value, steps)), _mm512_setzero_si512()),
        top);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(tables + g * 16), _mm512_cvtepi32_epi8(entries));
  }
}

ALMAGEST_AVX512 CodeSums EncodeAvx512(const float* rotated, const float* centre, size_t groups,
                                      uint8_t* nibbles) {
  __m512 magnitudes = _mm512_setzero_ps();
  __m512 squares = magnitudes;
  __m512 centre_signed = magnitudes;
  for (size_t g = 0; g < groups; g += 4) {
    // Groups come in twos: the last 8 lanes may be beyond the end, and are 0 then.
    const size_t here = std::min<size_t>(groups - g, 4);
    const auto lanes = static_cast<__mmask16>(here == 4 ? 0xFFFF : 0x00FF);
    const __m512 c = _mm512_maskz_loadu_ps(lanes, centre + 4 * g);
    const __m512 v = _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, rotated + 4 * g), c);
    const __mmask16 positive = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_GT_OQ);
    magnitudes = _mm512_add_ps(magnitudes, _mm512_abs_ps(v));
    squares = _mm512_fmadd_ps(v, v, squares);
    centre_signed =
        _mm512_add_ps(centre_signed, _mm512_mask_sub_ps(_mm512_sub_ps(_mm512_setzero_ps(), c),
                                                        positive, c, _mm512_setzero_ps()));
    const unsigned bits = positive;
    for (size_t i = 0; i < here; ++i) nibbles[g + i] = static_cast<uint8_t>((bits >> 4 * i) & 15);
  }
  return {_mm512_reduce_add_ps(magnitudes), _mm512_reduce_add_ps(squares),
          _mm512_reduce_add_ps(centre_signed)};
}

// `kCount` blocks at once, so that as many independent sums are on their way. In registers, which
// takes loops that are unrolled: through memory a query's rotation took 3 us instead of one.
template <size_t kCount>
ALMAGEST_AVX512 inline void RotateBlocks(const int8_t* matrix, const uint8_t* vector, size_t quads,
                                         int32_t* sums) {
  __m512i totals[kCount];
#pragma GCC unroll 8
  for (size_t b = 0; b < kCount; ++b) totals[b] = _mm512_setzero_si512();
  for (size_t k = 0; k < quads; ++k) {
    int32_t quad;
    std::memcpy(&quad, vector + 4 * k, 4);
    const __m512i inputs = _mm512_set1_epi32(quad);
#pragma GCC unroll 8
    for (size_t b = 0; b < kCount; ++b) {
      totals[b] =
          _mm512_dpbusd_epi32(totals[b], inputs, _mm512_loadu_si512(matrix + (b * quads + k) * 64));
    }
  }
#pragma GCC unroll 8
  for (size_t b = 0; b < kCount; ++b) _mm512_storeu_si512(sums + 16 * b, totals[b]);
}

ALMAGEST_AVX512 void RotateAvx512(const int8_t* matrix, const uint8_t* vector, size_t quads,
                                  size_t blocks, int32_t* sums) {
  size_t b = 0;
  for (; b + 8 <= blocks; b += 8) {
    RotateBlocks<8>(matrix + b * quads * 64, vector, quads, sums + 16 * b);
  }
  for (; b + 4 <= blocks; b += 4) {
    RotateBlocks<4>(matrix + b * quads * 64, vector, quads, sums + 16 * b);
  }
  for (; b < blocks; ++b) {
    RotateBlocks<1>(matrix + b * quads * 64, vector, quads, sums + 16 * b);
  }
}

ALMAGEST_AVX512 inline __mmask16 LanesBelow(size_t left) {
  return static_cast<__mmask16>(left >= 16 ? 0xFFFF : (1u << left) - 1);
}

ALMAGEST_AVX512 LevelRange QuantiseAvx512(const float* values, size_t count, uint8_t* levels) {
  const __m512 first = _mm512_set1_ps(values[0]);
  __m512 largest = first;
  __m512 smallest = first;
  for (size_t i = 0; i < count; i += 16) {
    const __m512 v = _mm512_mask_loadu_ps(first, LanesBelow(count - i), values + i);
    largest = _mm512_max_ps(largest, v);
    smallest = _mm512_min_ps(smallest, v);
  }
  const float low = _mm512_reduce_min_ps(smallest);
  const LevelRange range{low, std::max((_mm512_reduce_max_ps(largest) - low) / 127.0f, 1e-30f)};
  const __m512 inverse = _mm512_set1_ps(1.0f / range.step);
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 lanes = LanesBelow(count - i);
    const __m512 v = _mm512_sub_ps(_mm512_maskz_loadu_ps(lanes, values + i), _mm512_set1_ps(low));
    const __m512i steps = _mm512_min_epi32(
        _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(v, inverse)), _mm512_setzero_si512()),
        _mm512_set1_epi32(127));
    _mm_mask_storeu_epi8(levels + i, lanes, _mm512_cvtepi32_epi8(steps));
  }
  return range;
}

ALMAGEST_AVX512 TableRange TableRangeAvx512(const float* coordinates, size_t groups) {
  __m512 widest = _mm512_set1_ps(1e-30f);
  __m512 smallest_sum = _mm512_setzero_ps();
  __m512 sum = smallest_sum;
  for (size_t g = 0; g < groups; g += 4) {
    const __m512 v = _mm512_maskz_loadu_ps(LanesBelow((groups - g) * 4), coordinates + 4 * g);
    __m512 width = _mm512_abs_ps(v);
    width = _mm512_add_ps(width, _mm512_permute_ps(width, 0xB1));
    width = _mm512_add_ps(width, _mm512_permute_ps(width, 0x4E));
    widest = _mm512_max_ps(widest, width);
    smallest_sum = _mm512_add_ps(smallest_sum, _mm512_min_ps(v, _mm512_setzero_ps()));
    sum = _mm512_add_ps(sum, v);
  }
  return {_mm512_reduce_max_ps(widest), _mm512_reduce_add_ps(smallest_sum),
          _mm512_reduce_add_ps(sum)};
}

ALMAGEST_AVX512 inline void Load(const uint16_t* row, __mmask16 lanes, __m512& values) {
  values = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(lanes, row));
}
ALMAGEST_AVX512 inline void Load(const uint8_t* row, __mmask16 lanes, __m512& values) {
  values = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, row)));
}

template <bool kEuclid, class Stored>
ALMAGEST_AVX512 inline void AddStep(const float* query, const Stored* row, __mmask16 lanes,
                                    __m512& sum) {
  __m512 r;
  Load(row, lanes, r);
  const __m512 q = _mm512_maskz_loadu_ps(lanes, query);
  if constexpr (kEuclid) {
    const __m512 difference = _mm512_sub_ps(q, r);
    sum = _mm512_fmadd_ps(difference, difference, sum);
  } else {
    sum = _mm512_fmadd_ps(q, r, sum);
  }
}

template <bool kEuclid, class Stored>
ALMAGEST_AVX512 float ScoreAvx512(const float* query, const Stored* row, size_t dimension) {
  __m512 sum0 = _mm512_setzero_ps();
  __m512 sum1 = sum0;
  __m512 sum2 = sum0;
  __m512 sum3 = sum0;
  size_t i = 0;
  for (; i + 64 <= dimension; i += 64) {
    AddStep<kEuclid>(query + i, row + i, 0xFFFF, sum0);
    AddStep<kEuclid>(query + i + 16, row + i + 16, 0xFFFF, sum1);
    AddStep<kEuclid>(query + i + 32, row + i + 32, 0xFFFF, sum2);
    AddStep<kEuclid>(query + i + 48, row + i + 48, 0xFFFF, sum3);
  }
  for (; i < dimension; i += 16) {
    AddStep<kEuclid>(query + i, row + i, LanesBelow(dimension - i), sum0);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum0, sum1), _mm512_add_ps(sum2, sum3)));
}

}  // namespace

FastscanKernels Avx512FastscanKernels() {
  FastscanKernels kernels;
  kernels.target = "AVX-512";
  kernels.estimate = EstimateAvx512;
  kernels.fill_tables = FillTablesAvx512;
  kernels.encode = EncodeAvx512;
  kernels.rotate = RotateAvx512;
  kernels.quantise = QuantiseAvx512;
  kernels.table_range = TableRangeAvx512;
  kernels.dot_half = ScoreAvx512<false, uint16_t>;
  kernels.euclid_half = ScoreAvx512<true, uint16_t>;
  kernels.dot_byte = ScoreAvx512<false, uint8_t>;
  kernels.euclid_byte = ScoreAvx512<true, uint8_t>;
  return kernels;
}

}  // namespace almagest
#endif
