// Highway dynamic dispatch: foreach_target.h includes this file again for every instruction set.
#include "engine/index/sparse_kernels.h"

#include <limits>

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
  values[place] = -std::numeric_limits<float>::infinity();
  LargestBoundsTarget(values + 64 * group, 1, largest + group);
  return place;
}

size_t PlacesAtLeastTarget(const float* HWY_RESTRICT values, size_t count, float low,
                           uint32_t* HWY_RESTRICT places) {
  const FloatTag d;
  const hn::RebindToUnsigned<FloatTag> du;
  const size_t lanes = hn::Lanes(d);
  const auto bar = hn::Set(d, low);
  const auto zero = hn::Zero(d);
  size_t found = 0;
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto value = hn::LoadU(d, values + i);
    const auto is_high = hn::And(hn::Ge(value, bar), hn::Gt(value, zero));
    const auto place = hn::Iota(du, static_cast<uint32_t>(i));
    // Not CompressStore, which some processors take very long for.
    hn::StoreU(hn::Compress(place, hn::RebindMask(du, is_high)), du, places + found);
    found += hn::CountTrue(d, is_high);
  }
  for (; i < count; ++i) {
    places[found] = static_cast<uint32_t>(i);
    found += values[i] >= low && values[i] > 0.0f ? 1 : 0;
  }
  return found;
}

void SplitPostingsTarget(const SparsePosting* HWY_RESTRICT postings, size_t count, uint32_t first,
                         double factor, uint32_t* HWY_RESTRICT positions,
                         double* HWY_RESTRICT parts) {
  const DoubleTag d;
  const hn::Rebind<float, DoubleTag> df;
  const hn::Rebind<uint32_t, DoubleTag> du;
  const size_t lanes = hn::Lanes(d);
  const auto mask = hn::Set(du, kPositionMask);
  const auto start = hn::Set(du, first);
  const auto by = hn::Set(d, factor);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::Vec<decltype(du)> places;
    hn::Vec<decltype(du)> weights;
    hn::LoadInterleaved2(du, reinterpret_cast<const uint32_t*>(postings + i), places, weights);
    hn::StoreU(hn::Sub(hn::And(places, mask), start), du, positions + i);
    hn::StoreU(hn::Mul(hn::PromoteTo(d, hn::BitCast(df, weights)), by), d, parts + i);
  }
  for (; i < count; ++i) {
    positions[i] = postings[i].position() - first;
    parts[i] = factor * double{postings[i].weight};
  }
}

void ToFloatsTarget(const double* HWY_RESTRICT sums, size_t count, float more,
                    float* HWY_RESTRICT floats) {
  const DoubleTag d;
  const hn::Rebind<float, DoubleTag> df;
  const size_t lanes = hn::Lanes(d);
  const auto added = hn::Set(df, more);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::Add(hn::DemoteTo(df, hn::LoadU(d, sums + i)), added), df, floats + i);
  }
  for (; i < count; ++i) floats[i] = static_cast<float>(sums[i]) + more;
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
HWY_EXPORT(PlacesAtLeastTarget);
HWY_EXPORT(SplitPostingsTarget);
HWY_EXPORT(ToFloatsTarget);

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
size_t PlacesAtLeast(const float* values, size_t count, float low, uint32_t* places) {
  return HWY_DYNAMIC_DISPATCH(PlacesAtLeastTarget)(values, count, low, places);
}
void SplitPostings(const SparsePosting* postings, size_t count, uint32_t first, double factor,
                   uint32_t* positions, double* parts) {
  HWY_DYNAMIC_DISPATCH(SplitPostingsTarget)(postings, count, first, factor, positions, parts);
}
void ToFloats(const double* sums, size_t count, float more, float* floats) {
  HWY_DYNAMIC_DISPATCH(ToFloatsTarget)(sums, count, more, floats);
}

}  // namespace almagest
#endif
