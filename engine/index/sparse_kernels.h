// The vector loops of sparse search, for the instruction set found at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/index/sparse_layout.h"

namespace almagest {

struct WeightedMaxima {
  const uint8_t* maxima = nullptr;
  float coefficient = 0.0f;
};

// bounds[i] = sum over the terms of coefficient * maxima[i], for i < count, a multiple of 64.
void AddUpMaxima(std::span<const WeightedMaxima> terms, size_t count, float* bounds);

// largest[c] = the largest of the 64 bounds from 64 * c on, for c < chunks.
void LargestBounds(const float* bounds, size_t chunks, float* largest);

// Bit b set iff bounds[b] > 0 and bounds[b] >= low, of 64 bounds.
uint64_t BoundsAtLeast(const float* bounds, float low);

// Bit i set iff sums[i] >= low, of 32 sums. A NaN counts as below.
uint32_t SumsAtLeast(const double* sums, double low);

// The largest of 32 sums.
double LargestSum(const double* sums);

// The place of the largest bound, which goes to `taken` and is replaced by -infinity. `largest` as
// by LargestBounds, followed by -1 up to a multiple of 16.
size_t TakeLargest(float* bounds, float* largest, size_t chunks, float* taken);

// The places of all values above 0 that are at least `low` go to `places`, which has room for
// 16 more than `count`. Returns how many.
size_t PlacesAtLeast(const float* values, size_t count, float low, uint32_t* places);

// Of each listed posting its position less `first` (modulo 2^32), and factor * its weight.
void SplitPostings(const SparsePosting* postings, size_t count, uint32_t first, double factor,
                   uint32_t* positions, double* parts);

// floats[i] = sums[i] + more, for i < count.
void ToFloats(const double* sums, size_t count, float more, float* floats);

}  // namespace almagest
