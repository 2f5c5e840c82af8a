// Highway dynamic dispatch: foreach_target.h includes this file again for every instruction set.
#include "engine/index/max_sim_kernels.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/index/max_sim_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace almagest {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using SimTag = hn::ScalableTag<float>;
using SimVector = hn::Vec<SimTag>;

struct DotSim {
  static HWY_INLINE SimVector Add(SimVector q, SimVector r, SimVector sum) {
    return hn::MulAdd(q, r, sum);
  }
  static HWY_INLINE SimVector Finish(SimVector sum) { return sum; }
};
struct EuclidSim {
  static HWY_INLINE SimVector Add(SimVector q, SimVector r, SimVector sum) {
    const SimVector difference = hn::Sub(q, r);
    return hn::MulAdd(difference, difference, sum);
  }
  static HWY_INLINE SimVector Finish(SimVector sum) { return hn::Neg(sum); }
};
struct ManhattanSim {
  static HWY_INLINE SimVector Add(SimVector q, SimVector r, SimVector sum) {
    return hn::Add(sum, hn::Abs(hn::Sub(q, r)));
  }
  static HWY_INLINE SimVector Finish(SimVector sum) { return hn::Neg(sum); }
};

// inf - inf counts as -infinity.
template <class Sim>
HWY_INLINE SimVector Larger(SimVector best, SimVector sum) {
  const SimTag d;
  const SimVector score = Sim::Finish(sum);
  const SimVector lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  return hn::Max(best, hn::IfThenElse(hn::Eq(score, score), score, lowest));
}

// A block of query rows lies across the lanes of two vectors, so that sums over the dimension need
// no reduction: four document rows at a time, eight sums in registers. A last group of fewer rows
// repeats its last one, which changes no maximum.
template <class Sim>
HWY_INLINE float ScorePacked(const float* HWY_RESTRICT packed, size_t query_rows, size_t dimension,
                             const float* HWY_RESTRICT rows, size_t count) {
  const SimTag d;
  const size_t lanes = hn::Lanes(d);
  const size_t block_rows = 2 * lanes;
  HWY_ALIGN float best[2 * hn::MaxLanes(d)];
  float total = 0.0f;
  for (size_t first = 0; first < query_rows; first += block_rows) {
    const float* HWY_RESTRICT block = packed + first * dimension;
    SimVector best0 = hn::Set(d, -std::numeric_limits<float>::infinity());
    SimVector best1 = best0;
    for (size_t row = 0; row < count; row += 4) {
      const float* HWY_RESTRICT row0 = rows + row * dimension;
      const float* HWY_RESTRICT row1 = rows + std::min(row + 1, count - 1) * dimension;
      const float* HWY_RESTRICT row2 = rows + std::min(row + 2, count - 1) * dimension;
      const float* HWY_RESTRICT row3 = rows + std::min(row + 3, count - 1) * dimension;
      SimVector s00 = hn::Zero(d), s01 = s00, s10 = s00, s11 = s00;
      SimVector s20 = s00, s21 = s00, s30 = s00, s31 = s00;
      const float* HWY_RESTRICT at = block;
      for (size_t i = 0; i < dimension; ++i, at += block_rows) {
        const SimVector q0 = hn::LoadU(d, at);
        const SimVector q1 = hn::LoadU(d, at + lanes);
        const SimVector r0 = hn::Set(d, row0[i]);
        s00 = Sim::Add(q0, r0, s00);
        s01 = Sim::Add(q1, r0, s01);
        const SimVector r1 = hn::Set(d, row1[i]);
        s10 = Sim::Add(q0, r1, s10);
        s11 = Sim::Add(q1, r1, s11);
        const SimVector r2 = hn::Set(d, row2[i]);
        s20 = Sim::Add(q0, r2, s20);
        s21 = Sim::Add(q1, r2, s21);
        const SimVector r3 = hn::Set(d, row3[i]);
        s30 = Sim::Add(q0, r3, s30);
        s31 = Sim::Add(q1, r3, s31);
      }
      best0 = Larger<Sim>(Larger<Sim>(best0, s00), s10);
      best0 = Larger<Sim>(Larger<Sim>(best0, s20), s30);
      best1 = Larger<Sim>(Larger<Sim>(best1, s01), s11);
      best1 = Larger<Sim>(Larger<Sim>(best1, s21), s31);
    }
    hn::StoreU(best0, d, best);
    hn::StoreU(best1, d, best + lanes);
    for (size_t i = 0; i < std::min(block_rows, query_rows - first); ++i) total += best[i];
  }
  return total;
}

float DotPacked(const float* packed, size_t query_rows, size_t dimension, const float* rows,
                size_t count) {
  return ScorePacked<DotSim>(packed, query_rows, dimension, rows, count);
}
float EuclidPacked(const float* packed, size_t query_rows, size_t dimension, const float* rows,
                   size_t count) {
  return ScorePacked<EuclidSim>(packed, query_rows, dimension, rows, count);
}
float ManhattanPacked(const float* packed, size_t query_rows, size_t dimension, const float* rows,
                      size_t count) {
  return ScorePacked<ManhattanSim>(packed, query_rows, dimension, rows, count);
}
size_t PackedBlockRows() { return 2 * hn::Lanes(SimTag()); }

}  // namespace HWY_NAMESPACE
}  // namespace almagest
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace almagest {

HWY_EXPORT(DotPacked);
HWY_EXPORT(EuclidPacked);
HWY_EXPORT(ManhattanPacked);
HWY_EXPORT(PackedBlockRows);

size_t MaxSimBlockRows() { return HWY_DYNAMIC_DISPATCH(PackedBlockRows)(); }

float MaxSimOfPacked(Metric metric, const float* packed, size_t query_rows, size_t dimension,
                     const float* rows, size_t count) {
  switch (metric) {
    case Metric::kDot:
      return HWY_DYNAMIC_DISPATCH(DotPacked)(packed, query_rows, dimension, rows, count);
    case Metric::kEuclid:
      return HWY_DYNAMIC_DISPATCH(EuclidPacked)(packed, query_rows, dimension, rows, count);
    case Metric::kManhattan:
      break;
  }
  return HWY_DYNAMIC_DISPATCH(ManhattanPacked)(packed, query_rows, dimension, rows, count);
}

}  // namespace almagest
#endif
