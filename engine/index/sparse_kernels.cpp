// Highway dynamic dispatch: foreach_target.h includes this file again for every instruction set.
#include "engine/index/sparse_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/index/sparse_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace almagest {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Few enough lanes that four vectors divide the counts.
using FloatTag = hn::CappedTag<float, 16>;
using DoubleTag = hn::CappedTag<double, 8>;

void AddUpMaximaTarget(std::span<const WeightedMaxima> terms, size_t count,
                       float* HWY_RESTRICT bounds) {
  const FloatTag d;
  const hn::Rebind<int32_t, FloatTag> di;
  const hn::Rebind<uint8_t, FloatTag> du;
  const size_t lanes = hn::Lanes(d);
  for (size_t i = 0; i < count; i += 4 * lanes) {
    auto sum0 = hn::Zero(d);
    auto sum1 = sum0;
    auto sum2 = sum0;
    auto sum3 = sum0;
    for (const WeightedMaxima& term : terms) {
      const auto factor = hn::Set(d, term.coefficient);
      const uint8_t* from = term.maxima + i;
      const auto level = [&](size_t step) {
        return hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(du, from + step * lanes)));
      };
      sum0 = hn::MulAdd(level(0), factor, sum0);
      sum1 = hn::MulAdd(level(1), factor, sum1);
      sum2 = hn::MulAdd(level(2), factor, sum2);
      sum3 = hn::MulAdd(level(3), factor, sum3);
    }
    hn::StoreU(sum0, d, bounds + i);
    hn::StoreU(sum1, d, bounds + i + lanes);
    hn::StoreU(sum2, d, bounds + i + 2 * lanes);
    hn::StoreU(sum3, d, bounds + i + 3 * lanes);
  }
}

void LargestBoundsTarget(const float* HWY_RESTRICT bounds, size_t chunks,
                         float* HWY_RESTRICT largest) {
  const FloatTag d;
  for (size_t c = 0; c < chunks; ++c) {
    auto most = hn::LoadU(d, bounds + 64 * c);
    for (size_t i = hn::Lanes(d); i < 64; i += hn::Lanes(d)) {
      most = hn::Max(most, hn::LoadU(d, bounds + 64 * c + i));
    }
    largest[c] = hn::GetLane(hn::MaxOfLanes(d, most));
  }
}

uint64_t BoundsAtLeastTarget(const float* HWY_RESTRICT bounds, float low) {
  const FloatTag d;
  const auto bar = hn::Set(d, low);
  const auto zero = hn::Zero(d);
  uint64_t bits = 0;
  for (size_t i = 0; i < 64; i += hn::Lanes(d)) {
    const auto bound = hn::LoadU(d, bounds + i);
    const auto is_high = hn::And(hn::Ge(bound, bar), hn::Gt(bound, zero));
    uint8_t bytes[8] = {};
    hn::StoreMaskBits(d, is_high, bytes);
    bits |= (uint64_t{bytes[0]} | uint64_t{bytes[1]} << 8) << i;
  }
  return bits;
}

uint32_t SumsAtLeastTarget(const double* HWY_RESTRICT sums, double low) {
  const DoubleTag d;
  const auto bar = hn::Set(d, low);
  uint32_t bits = 0;
  for (size_t i = 0; i < 32; i += hn::Lanes(d)) {
    uint8_t bytes[8] = {};
    hn::StoreMaskBits(d, hn::Ge(hn::LoadU(d, sums + i), bar), bytes);
    bits |= uint32_t{bytes[0]} << i;
  }
  return bits;
}

double LargestSumTarget(const double* HWY_RESTRICT sums) {
  const DoubleTag d;
  auto most = hn::LoadU(d, sums);
  for (size_t i = hn::Lanes(d); i < 32; i += hn::Lanes(d)) {
    most = hn::Max(most, hn::LoadU(d, sums + i));
  }
  return hn::GetLane(hn::MaxOfLanes(d, most));
}

// The place of the largest of `count` values, a multiple of 16.
HWY_INLINE size_t PlaceOfLargest(const float* HWY_RESTRICT values, size_t count) {
  const FloatTag d;
  const size_t lanes = hn::Lanes(d);
  auto most = hn::LoadU(d, values);
  for (size_t i = lanes; i < count; i += lanes) most = hn::Max(most, hn::LoadU(d, values + i));
  most = hn::MaxOfLanes(d, most);
  for (size_t i = 0; i < count; i += lanes) {
    const auto place = hn::FindFirstTrue(d, hn::Ge(hn::LoadU(d, values + i), most));
    if (place >= 0) return i + static_cast<size_t>(place);
  }
  return 0;  // Only NaNs.
}

size_t TakeLargestTarget(float* HWY_RESTRICT values, float* HWY_RESTRICT largest, size_t groups,
                         float* HWY_RESTRICT taken) {
  const size_t group = PlaceOfLargest(largest, (groups + 15) / 16 * 16);
  const size_t place = 64 * group + PlaceOfLargest(values + 64 * group, 64);
  *taken = values[place];
  values[place] = -1.0f;
  LargestBoundsTarget(values + 64 * group, 1, largest + group);
  return place;
}

}  // namespace HWY_NAMESPACE
}  // namespace almagest
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace almagest {

HWY_EXPORT(AddUpMaximaTarget);
HWY_EXPORT(LargestBoundsTarget);
HWY_EXPORT(BoundsAtLeastTarget);
HWY_EXPORT(SumsAtLeastTarget);
HWY_EXPORT(LargestSumTarget);
HWY_EXPORT(TakeLargestTarget);

void AddUpMaxima(std::span<const WeightedMaxima> terms, size_t count, float* bounds) {
  HWY_DYNAMIC_DISPATCH(AddUpMaximaTarget)(terms, count, bounds);
}
void LargestBounds(const float* bounds, size_t chunks, float* largest) {
  HWY_DYNAMIC_DISPATCH(LargestBoundsTarget)(bounds, chunks, largest);
}
uint64_t BoundsAtLeast(const float* bounds, float low) {
  return HWY_DYNAMIC_DISPATCH(BoundsAtLeastTarget)(bounds, low);
}
uint32_t SumsAtLeast(const double* sums, double low) {
  return HWY_DYNAMIC_DISPATCH(SumsAtLeastTarget)(sums, low);
}
double LargestSum(const double* sums) { return HWY_DYNAMIC_DISPATCH(LargestSumTarget)(sums); }
size_t TakeLargest(float* bounds, float* largest, size_t chunks, float* taken) {
  return HWY_DYNAMIC_DISPATCH(TakeLargestTarget)(bounds, largest, chunks, taken);
}

}  // namespace almagest
#endif
