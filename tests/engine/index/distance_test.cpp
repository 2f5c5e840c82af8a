#include "engine/index/distance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <random>

#include "tests/engine/index/index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Random;

// The definition, in double; `magnitude` is the sum of the absolute terms, which bounds rounding.
double Reference(Metric metric, const float* a, const float* b, size_t n, double* magnitude) {
  double sum = 0.0;
  *magnitude = 0.0;
  for (size_t i = 0; i < n; ++i) {
    const double difference = double{a[i]} - double{b[i]};
    double term = 0.0;
    if (metric == Metric::kDot) term = double{a[i]} * double{b[i]};
    if (metric == Metric::kEuclid) term = -difference * difference;
    if (metric == Metric::kManhattan) term = -std::abs(difference);
    sum += term;
    *magnitude += std::abs(term);
  }
  return sum;
}

float RandomValue(Random& random, int kind) {
  std::normal_distribution<float> normal;
  const float extremes[] = {0.0f,   -0.0f,   1e-45f,   -1e-45f, 1e-38f, 1e18f,
                            -1e18f, 3.4e38f, -3.4e38f, 1.0f,    -1.0f,  1e-20f};
  if (kind == 0) return normal(random);
  if (kind == 1) return normal(random) * 1e15f;
  return extremes[Below(random, std::size(extremes))];
}

TEST(DistanceTest, EveryInstructionSetAgreesWithTheDefinition) {
  Random random(7);
  for (const Metric metric : {Metric::kDot, Metric::kEuclid, Metric::kManhattan}) {
    const auto all = AllKernelsFor(metric);
    ASSERT_FALSE(all.empty());
    EXPECT_STREQ(all.front().target, KernelsFor(metric).target);
    for (const DistanceKernels& kernels : all) {
      for (uint32_t trial = 0; trial < 900; ++trial) {
        const size_t dimension = trial < 300 ? trial / 3 + 1 : 1 + Below(random, 1100);
        const int kind = static_cast<int>(trial % 3);
        SCOPED_TRACE(testing::Message()
                     << kernels.target << " metric " << int(metric) << " dimension " << dimension
                     << " kind " << kind << " trial " << trial);
        // Heap blocks of exactly this size: a sanitizer sees any read beyond them.
        const auto a = std::make_unique<float[]>(dimension);
        const auto b = std::make_unique<float[]>(dimension);
        for (size_t i = 0; i < dimension; ++i) {
          a[i] = RandomValue(random, kind);
          b[i] = RandomValue(random, kind);
        }
        const float score = kernels.pair(a.get(), b.get(), dimension);
        double magnitude = 0.0;
        const double expected = Reference(metric, a.get(), b.get(), dimension, &magnitude);
        ASSERT_FALSE(std::isnan(score));
        if (magnitude < 1e38) {
          ASSERT_NEAR(score, expected, magnitude * 1e-5 + 1e-37);
        }
        const uint32_t row = 0;
        float batch = 0.0f;
        kernels.rows(a.get(), b.get(), dimension, dimension, &row, 1, &batch);
        ASSERT_EQ(batch, score);
      }
    }
  }
}

TEST(DistanceTest, BatchesFollowRowNumbersAndStride) {
  Random random(8);
  const size_t dimension = 37;
  const size_t stride = 48;
  std::vector<float> values(stride * 50);
  for (float& value : values) value = RandomValue(random, 0);
  const auto query = index_test::RandomVector(random, dimension, false);
  for (const Metric metric : {Metric::kDot, Metric::kEuclid, Metric::kManhattan}) {
    for (const DistanceKernels& kernels : AllKernelsFor(metric)) {
      std::vector<uint32_t> rows;
      for (int i = 0; i < 200; ++i) rows.push_back(static_cast<uint32_t>(Below(random, 50)));
      std::vector<float> scores(rows.size());
      kernels.rows(query.data(), values.data(), stride, dimension, rows.data(), rows.size(),
                   scores.data());
      for (size_t i = 0; i < rows.size(); ++i) {
        ASSERT_EQ(scores[i],
                  kernels.pair(query.data(), values.data() + rows[i] * stride, dimension));
      }
    }
  }
}

TEST(DistanceTest, OverflowIsInfiniteNotNan) {
  // Products of both signs overflow: inf - inf, unless a fused multiply-add avoids the first inf.
  std::vector<float> huge(64, 3e38f);
  std::vector<float> mixed(64);
  for (size_t i = 0; i < mixed.size(); ++i) mixed[i] = i % 3 == 0 ? -3e38f : 3e38f;
  for (const Metric metric : {Metric::kDot, Metric::kEuclid, Metric::kManhattan}) {
    for (const DistanceKernels& kernels : AllKernelsFor(metric)) {
      for (size_t dimension = 5; dimension <= huge.size(); ++dimension) {
        const float score = kernels.pair(huge.data(), mixed.data(), dimension);
        EXPECT_TRUE(std::isinf(score)) << kernels.target << " " << dimension << " " << score;
        if (metric != Metric::kDot) {
          EXPECT_LT(score, 0.0f);
        }
      }
    }
  }
}

TEST(DistanceTest, LargerIsNearer) {
  const std::vector<float> query = {1.0f, 0.0f};
  const std::vector<float> near = {0.9f, 0.1f};
  const std::vector<float> far = {-1.0f, 0.0f};
  for (const Metric metric : {Metric::kDot, Metric::kEuclid, Metric::kManhattan}) {
    const auto pair = KernelsFor(metric).pair;
    EXPECT_GT(pair(query.data(), near.data(), 2), pair(query.data(), far.data(), 2));
  }
  EXPECT_EQ(KernelsFor(Metric::kEuclid).pair(query.data(), far.data(), 2), -4.0f);
  EXPECT_EQ(KernelsFor(Metric::kManhattan).pair(query.data(), far.data(), 2), -2.0f);
}

}  // namespace
}  // namespace almagest
