// Highway dynamic dispatch: foreach_target.h includes this file again for every instruction set.
#include "engine/index/distance_kernels.h"

#include <cstddef>
#include <cstdint>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/index/distance_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace almagest {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

struct DotStep {
  static HWY_INLINE FloatVector Add(FloatVector q, FloatVector r, FloatVector sum) {
    return hn::MulAdd(q, r, sum);
  }
  static HWY_INLINE float AddOne(float q, float r, float sum) { return sum + q * r; }
  static HWY_INLINE float Finish(float sum) { return sum; }
};

struct EuclidStep {
  static HWY_INLINE FloatVector Add(FloatVector q, FloatVector r, FloatVector sum) {
    const FloatVector difference = hn::Sub(q, r);
    return hn::MulAdd(difference, difference, sum);
  }
  static HWY_INLINE float AddOne(float q, float r, float sum) { return sum + (q - r) * (q - r); }
  static HWY_INLINE float Finish(float sum) { return -sum; }
};

struct ManhattanStep {
  static HWY_INLINE FloatVector Add(FloatVector q, FloatVector r, FloatVector sum) {
    return hn::Add(sum, hn::Abs(hn::Sub(q, r)));
  }
  static HWY_INLINE float AddOne(float q, float r, float sum) {
    return sum + (q < r ? r - q : q - r);
  }
  static HWY_INLINE float Finish(float sum) { return -sum; }
};

// Short vectors are summed one component after the other, as Qdrant does: its clients compare their
// scores exactly. (CMake keeps the compiler from fusing these into multiply-adds.)
constexpr size_t kSequentialBelow = 16;

template <class Step>
HWY_INLINE float ScoreShortPair(const float* HWY_RESTRICT query, const float* HWY_RESTRICT row,
                                size_t dimension) {
  float sum = 0.0f;
  for (size_t i = 0; i < dimension; ++i) sum = Step::AddOne(query[i], row[i], sum);
  const float score = Step::Finish(sum);
  return score == score ? score : -std::numeric_limits<float>::infinity();
}

// Four sums hide the latency of the fused multiply-add. The last partial vector is read again from
// the row's end with the lanes seen before set to zero, so nothing beyond the row is touched.
template <class Step>
HWY_INLINE float ScorePair(const float* HWY_RESTRICT query, const float* HWY_RESTRICT row,
                           size_t dimension) {
  if (dimension < kSequentialBelow) return ScoreShortPair<Step>(query, row, dimension);
  const FloatTag d;
  const size_t lanes = hn::Lanes(d);
  FloatVector sum0 = hn::Zero(d);
  FloatVector sum1 = sum0;
  FloatVector sum2 = sum0;
  FloatVector sum3 = sum0;
  size_t i = 0;
  for (; i + 4 * lanes <= dimension; i += 4 * lanes) {
    sum0 = Step::Add(hn::LoadU(d, query + i), hn::LoadU(d, row + i), sum0);
    sum1 = Step::Add(hn::LoadU(d, query + i + lanes), hn::LoadU(d, row + i + lanes), sum1);
    sum2 = Step::Add(hn::LoadU(d, query + i + 2 * lanes), hn::LoadU(d, row + i + 2 * lanes), sum2);
    sum3 = Step::Add(hn::LoadU(d, query + i + 3 * lanes), hn::LoadU(d, row + i + 3 * lanes), sum3);
  }
  for (; i + lanes <= dimension; i += lanes) {
    sum0 = Step::Add(hn::LoadU(d, query + i), hn::LoadU(d, row + i), sum0);
  }
  static_assert(hn::MaxLanes(FloatTag()) <= kSequentialBelow, "a row is a vector long at least");
  if (i < dimension) {
    const size_t start = dimension - lanes;
    const auto seen = hn::FirstN(d, i - start);
    sum1 = Step::Add(hn::IfThenZeroElse(seen, hn::LoadU(d, query + start)),
                     hn::IfThenZeroElse(seen, hn::LoadU(d, row + start)), sum1);
  }
  const FloatVector total = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
  const float score = Step::Finish(hn::GetLane(hn::SumOfLanes(d, total)));
  return score == score ? score : -std::numeric_limits<float>::infinity();
}

template <class Step>
HWY_INLINE void ScoreRows(const float* query, const float* base, size_t stride, size_t dimension,
                          const uint32_t* rows, size_t count, float* scores) {
  constexpr size_t kAhead = 3;  // Rows between a prefetch and its use.
  constexpr size_t kFloatsPerLine = 16;
  constexpr size_t kPrefetchFloats = 128;  // The processor's own prefetcher follows from there.
  const size_t prefetched = dimension < kPrefetchFloats ? dimension : kPrefetchFloats;
  for (size_t i = 0; i < count; ++i) {
    if (i + kAhead < count) {
      const float* next = base + rows[i + kAhead] * stride;
      for (size_t f = 0; f < prefetched; f += kFloatsPerLine) hwy::Prefetch(next + f);
    }
    scores[i] = ScorePair<Step>(query, base + rows[i] * stride, dimension);
  }
}

#define ALMAGEST_DISTANCE_KERNELS(name)                                                   \
  float name##Pair(const float* query, const float* row, size_t dimension) {              \
    return ScorePair<name##Step>(query, row, dimension);                                  \
  }                                                                                       \
  void name##Rows(const float* query, const float* base, size_t stride, size_t dimension, \
                  const uint32_t* rows, size_t count, float* scores) {                    \
    ScoreRows<name##Step>(query, base, stride, dimension, rows, count, scores);           \
  }
ALMAGEST_DISTANCE_KERNELS(Dot)
ALMAGEST_DISTANCE_KERNELS(Euclid)
ALMAGEST_DISTANCE_KERNELS(Manhattan)
#undef ALMAGEST_DISTANCE_KERNELS

const char* KernelTargetName() { return hwy::TargetName(HWY_TARGET); }

}  // namespace HWY_NAMESPACE
}  // namespace almagest
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace almagest {

HWY_EXPORT(DotPair);
HWY_EXPORT(DotRows);
HWY_EXPORT(EuclidPair);
HWY_EXPORT(EuclidRows);
HWY_EXPORT(ManhattanPair);
HWY_EXPORT(ManhattanRows);
HWY_EXPORT(KernelTargetName);

int64_t SupportedKernelTargets() { return hwy::SupportedTargets() & HWY_TARGETS; }

DistanceKernels KernelsForTargets(Metric metric, int64_t targets) {
  // Highway 1.0.3 has no HWY_DYNAMIC_POINTER: choose first, then take the table's entries.
  hwy::GetChosenTarget().Update(targets);
  DistanceKernels kernels;
  kernels.target = HWY_DYNAMIC_DISPATCH(KernelTargetName)();
  switch (metric) {
    case Metric::kDot:
      kernels.pair = HWY_DYNAMIC_DISPATCH(DotPair);
      kernels.rows = HWY_DYNAMIC_DISPATCH(DotRows);
      break;
    case Metric::kEuclid:
      kernels.pair = HWY_DYNAMIC_DISPATCH(EuclidPair);
      kernels.rows = HWY_DYNAMIC_DISPATCH(EuclidRows);
      break;
    case Metric::kManhattan:
      kernels.pair = HWY_DYNAMIC_DISPATCH(ManhattanPair);
      kernels.rows = HWY_DYNAMIC_DISPATCH(ManhattanRows);
      break;
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return kernels;
}

}  // namespace almagest
#endif
