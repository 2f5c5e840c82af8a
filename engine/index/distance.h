// Similarity of float32 vectors. Inside the engine every metric is a similarity: LARGER IS NEARER.
//   kDot        sum q*r            (cosine is kDot over vectors of length 1)
//   kEuclid     -sum (q-r)^2       (the squared distance, negated; the user's distance is sqrt(-s))
//   kManhattan  -sum |q-r|
// A result may overflow to an infinity but is never NaN (inf - inf counts as -infinity), so that
// scores always have a strict weak order. The inputs themselves have to be finite.
//
// The kernels are compiled once per instruction set (distance_kernels.cpp) and picked once per
// process from what the processor has. On one machine the same pair always gives the same bits,
// whichever function computed it; other processors may differ in the last bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace almagest {

enum class Metric : uint8_t { kDot, kEuclid, kManhattan };

// The functions of one metric for one instruction set. Stateless, thread-safe.
struct DistanceKernels {
  const char* target = "";  // Highway's name, such as "AVX2".

  // One pair of `dimension` floats; no alignment needed.
  float (*pair)(const float* query, const float* row, size_t dimension) = nullptr;

  // scores[i] = similarity of `query` and the row at base + rows[i] * stride, for i < count.
  // stride is in floats, >= dimension. Reads no byte beyond a row's `dimension` floats; prefetches
  // the rows ahead. Cost: memory-bound; about 10 ns per row of 384 floats in cache.
  void (*rows)(const float* query, const float* base, size_t stride, size_t dimension,
               const uint32_t* rows, size_t count, float* scores) = nullptr;
};

// The best kernels this processor can run. The reference stays valid for ever; keep it instead of
// asking again in a loop.
const DistanceKernels& KernelsFor(Metric metric);

// Every instruction set compiled in that this processor can run, best first: for tests and
// benchmarks, which compare them. Not for use while searches run.
std::vector<DistanceKernels> AllKernelsFor(Metric metric);

}  // namespace almagest
