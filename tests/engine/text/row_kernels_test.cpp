#include "engine/linalg/row_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/engine/text/random_floats.h"

namespace almagest {
namespace {

TEST(RowKernels, DotProductAgreesForEveryLength) {
  for (size_t n = 0; n < 150; ++n) {
    SCOPED_TRACE(n);
    const auto a = RandomFloats(n, 2 * n), b = RandomFloats(n, 2 * n + 1);
    double expected = 0;
    for (size_t i = 0; i < n; ++i) expected += double{a[i]} * b[i];
    EXPECT_NEAR(DotProduct(a.data(), b.data(), n), expected, 1e-4);
  }
}

TEST(RowKernels, NormalizeGivesLengthOneAndLeavesZeroAndInfinityAlone) {
  std::vector<float> x = {3, 4};
  EXPECT_FLOAT_EQ(NormalizeInPlace(x.data(), 2), 5);
  EXPECT_FLOAT_EQ(x[0], 0.6f);
  EXPECT_FLOAT_EQ(x[1], 0.8f);
  std::vector<float> zero = {0, 0, 0};
  EXPECT_EQ(NormalizeInPlace(zero.data(), 3), 0);
  EXPECT_EQ(zero, (std::vector<float>{0, 0, 0}));
  std::vector<float> huge = {std::numeric_limits<float>::infinity(), 1};
  NormalizeInPlace(huge.data(), 2);
  EXPECT_EQ(huge[1], 1);
}

TEST(RowKernels, LayerNormAgreesWithItsDefinition) {
  for (const size_t n : {1, 7, 16, 37, 256}) {
    SCOPED_TRACE(n);
    const auto x = RandomFloats(n, 1), scale = RandomFloats(n, 2), bias = RandomFloats(n, 3);
    double mean = 0, variance = 0;
    for (const float v : x) mean += v / static_cast<double>(n);
    for (const float v : x) variance += (v - mean) * (v - mean) / static_cast<double>(n);
    std::vector<float> y(n);
    LayerNorm(x.data(), scale.data(), bias.data(), n, 1e-6f, y.data());
    for (size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(y[i], (x[i] - mean) / std::sqrt(variance + 1e-6) * scale[i] + bias[i], 1e-4);
    }
  }
}

TEST(RowKernels, AttentionAgreesWithItsDefinition) {
  for (const size_t tokens : {1, 2, 5, 19}) {
    SCOPED_TRACE(tokens);
    const size_t width = 24, heads = 3, head = width / heads;
    const auto qkv = RandomFloats(tokens * 3 * width, tokens);
    std::vector<float> out(tokens * width), scratch(tokens);
    Attention(qkv.data(), tokens, width, heads, 0.7f, scratch.data(), out.data());
    const auto at = [&](size_t token, size_t part, size_t column) {
      return double{qkv[token * 3 * width + part * width + column]};
    };
    for (size_t t = 0; t < tokens; ++t) {
      for (size_t column = 0; column < width; ++column) {
        const size_t first = column / head * head;
        double total = 0, sum = 0;
        for (size_t u = 0; u < tokens; ++u) {
          double score = 0;
          for (size_t i = first; i < first + head; ++i) score += at(t, 0, i) * at(u, 1, i);
          total += std::exp(0.7 * score);
          sum += std::exp(0.7 * score) * at(u, 2, column);
        }
        ASSERT_NEAR(out[t * width + column], sum / total, 1e-5);
      }
    }
  }
}

}  // namespace
}  // namespace almagest
