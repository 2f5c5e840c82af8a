#include "engine/index/fastscan_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "index_fixtures.h"

namespace almagest {
namespace {

using index_test::Below;
using index_test::Random;

// Every instruction set beside the scalar reference, which comes last.
class FastscanKernelsTest : public ::testing::Test {
 protected:
  const std::vector<FastscanKernels> all_ = AllFastscanKernels();
  const FastscanKernels& scalar_ = all_.back();
  Random random_{42};

  std::vector<float> Floats(size_t count, float scale = 1.0f) {
    std::normal_distribution<float> normal(0.0f, scale);
    std::vector<float> values(count);
    for (float& value : values) value = normal(random_);
    return values;
  }
  std::vector<uint8_t> Bytes(size_t count, size_t limit) {
    std::vector<uint8_t> values(count);
    for (uint8_t& value : values) value = static_cast<uint8_t>(Below(random_, limit));
    return values;
  }
};

TEST_F(FastscanKernelsTest, ReferenceIsAlwaysThereAndTheBestIsFirst) {
  EXPECT_STREQ(scalar_.target, "scalar");
  EXPECT_STREQ(BestFastscanKernels().target, all_.front().target);
}

TEST_F(FastscanKernelsTest, EstimatesAreTheSameOnEveryInstructionSet) {
  for (const size_t groups : {2, 4, 6, 26, 96, 98, 1022, 1024}) {
    for (const bool extreme : {false, true}) {
      SCOPED_TRACE(testing::Message() << groups << " groups, extreme " << extreme);
      // Extreme: every entry the largest, so that every sum is.
      const auto codes = Bytes(groups * 16, 256);
      auto tables = Bytes(groups * 16, kCodeTableMax + 1);
      if (extreme) std::fill(tables.begin(), tables.end(), static_cast<uint8_t>(kCodeTableMax));
      std::vector<uint16_t> added(32);
      std::vector<uint16_t> slope(32);
      const auto factors = Floats(64);
      for (size_t j = 0; j < 32; ++j) {
        added[j] = FloatToHalf(1000.0f * factors[j]);
        slope[j] = FloatToHalf(factors[32 + j]);
      }
      added[5] = FloatToHalf(std::numeric_limits<float>::infinity());
      added[6] = FloatToHalf(std::numeric_limits<float>::quiet_NaN());
      CodeEstimate input{codes.data(), added.data(), slope.data(), tables.data(), groups,
                         0.25f,        -30.0f,       17.0f,        500.0f};
      float expected[32];
      const uint32_t expected_below = scalar_.estimate(input, expected);
      EXPECT_EQ(expected_below & 0x60u, 0u) << "infinity and NaN are never below";
      for (const FastscanKernels& kernels : all_) {
        SCOPED_TRACE(kernels.target);
        float estimates[32];
        EXPECT_EQ(kernels.estimate(input, estimates), expected_below);
        for (size_t j = 0; j < 32; ++j) {
          if (j == 6) {
            EXPECT_TRUE(std::isnan(estimates[j]));
          } else {
            EXPECT_EQ(estimates[j], expected[j]) << j;
          }
        }
      }
    }
  }
}

TEST_F(FastscanKernelsTest, EstimateIsTheSumOfTheEntriesNamedByTheCode) {
  const auto codes = Bytes(4 * 16, 256);
  const auto tables = Bytes(4 * 16, kCodeTableMax + 1);
  const std::vector<uint16_t> added(32, FloatToHalf(0.0f));
  const std::vector<uint16_t> slope(32, FloatToHalf(1.0f));
  CodeEstimate input{codes.data(), added.data(), slope.data(), tables.data(), 4,
                     1.0f,         0.0f,         0.0f,         0.0f};
  float estimates[32];
  BestFastscanKernels().estimate(input, estimates);
  for (size_t j = 0; j < 32; ++j) {
    int sum = 0;
    for (size_t g = 0; g < 4; ++g) {
      const int code = j < 16 ? codes[g * 16 + j] & 15 : codes[g * 16 + j - 16] >> 4;
      sum += tables[g * 16 + static_cast<size_t>(code)];
    }
    EXPECT_EQ(estimates[j], static_cast<float>(sum));
  }
}

TEST_F(FastscanKernelsTest, TablesAgreeToOneStep) {
  for (const size_t groups : {2, 26, 96}) {
    const auto coordinates = Floats(groups * 4, 100.0f);
    const TableRange range = scalar_.table_range(coordinates.data(), groups);
    std::vector<uint8_t> expected(groups * 16);
    scalar_.fill_tables(coordinates.data(), groups, 63.0f / range.widest, expected.data());
    EXPECT_EQ(*std::max_element(expected.begin(), expected.end()), kCodeTableMax);
    for (const FastscanKernels& kernels : all_) {
      SCOPED_TRACE(kernels.target);
      const TableRange other = kernels.table_range(coordinates.data(), groups);
      EXPECT_NEAR(other.widest, range.widest, 1e-3f);
      EXPECT_NEAR(other.smallest_sum, range.smallest_sum, 1e-1f);
      EXPECT_NEAR(other.sum, range.sum, 1e-1f);
      std::vector<uint8_t> tables(groups * 16, 0xFF);
      kernels.fill_tables(coordinates.data(), groups, 63.0f / range.widest, tables.data());
      for (size_t i = 0; i < tables.size(); ++i) EXPECT_NEAR(tables[i], expected[i], 1) << i;
    }
  }
}

TEST_F(FastscanKernelsTest, EncodingAgrees) {
  for (const size_t groups : {2, 4, 6, 26, 96, 1024}) {
    auto rotated = Floats(groups * 4);
    const auto centre = Floats(groups * 4);
    rotated[1] = centre[1];  // A difference of 0 has no bit.
    std::vector<uint8_t> expected(groups);
    const CodeSums sums = scalar_.encode(rotated.data(), centre.data(), groups, expected.data());
    EXPECT_EQ(expected[0] & 2, 0);
    for (const FastscanKernels& kernels : all_) {
      SCOPED_TRACE(kernels.target);
      std::vector<uint8_t> nibbles(groups, 0xFF);
      const CodeSums other = kernels.encode(rotated.data(), centre.data(), groups, nibbles.data());
      EXPECT_EQ(nibbles, expected);
      EXPECT_NEAR(other.magnitudes, sums.magnitudes, 1e-4f * sums.magnitudes);
      EXPECT_NEAR(other.squares, sums.squares, 1e-4f * sums.squares);
      EXPECT_NEAR(other.centre_signed, sums.centre_signed, 1e-4f * sums.magnitudes);
    }
  }
}

TEST_F(FastscanKernelsTest, RotationIsExactUpToTheLargestValues) {
  for (const size_t quads : {1, 25, 196}) {
    for (const size_t blocks : {1, 3, 4, 7}) {
      std::vector<int8_t> matrix(blocks * quads * 64);
      for (auto& weight : matrix) weight = static_cast<int8_t>(int(Below(random_, 255)) - 127);
      auto vector = Bytes(quads * 4, 128);
      std::fill(matrix.begin(), matrix.begin() + 16, int8_t{-127});
      std::fill(vector.begin(), vector.begin() + 4, uint8_t{127});
      std::vector<int32_t> expected(blocks * 16);
      scalar_.rotate(matrix.data(), vector.data(), quads, blocks, expected.data());
      for (const FastscanKernels& kernels : all_) {
        SCOPED_TRACE(kernels.target);
        std::vector<int32_t> sums(blocks * 16, -1);
        kernels.rotate(matrix.data(), vector.data(), quads, blocks, sums.data());
        EXPECT_EQ(sums, expected);
      }
    }
  }
}

TEST_F(FastscanKernelsTest, LevelsSpanTheRangeOfTheValues) {
  for (const size_t count : {1, 7, 8, 15, 16, 17, 100, 784}) {
    for (const float scale : {1e-20f, 1.0f, 1e20f, 0.0f}) {
      SCOPED_TRACE(testing::Message() << count << " values, scale " << scale);
      const auto values = Floats(count, scale);
      for (const FastscanKernels& kernels : all_) {
        SCOPED_TRACE(kernels.target);
        std::vector<uint8_t> levels(count + 1, 0xEE);
        const LevelRange range = kernels.quantise(values.data(), count, levels.data());
        EXPECT_EQ(levels[count], 0xEE) << "wrote beyond the end";
        EXPECT_EQ(range.smallest, *std::min_element(values.begin(), values.end()));
        for (size_t i = 0; i < count; ++i) {
          ASSERT_LE(levels[i], 127);
          const float back = range.smallest + range.step * levels[i];
          EXPECT_NEAR(back, values[i], 0.51f * range.step + 1e-6f * std::fabs(values[i]));
        }
      }
    }
  }
}

TEST_F(FastscanKernelsTest, SimilaritiesAgreeForEveryDimension) {
  for (const size_t dimension : {1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 63, 100, 784}) {
    const auto query = Floats(dimension, 10.0f);
    const auto row = Floats(dimension, 10.0f);
    std::vector<uint16_t> halves(dimension);
    for (size_t i = 0; i < dimension; ++i) halves[i] = FloatToHalf(row[i]);
    const auto bytes = Bytes(dimension, 256);
    const auto near = [](float a, float b) {
      EXPECT_NEAR(a, b, 1e-4f * std::max(std::fabs(b), 1000.0f));
    };
    for (const FastscanKernels& kernels : all_) {
      SCOPED_TRACE(testing::Message() << kernels.target << " " << dimension);
      near(kernels.dot_half(query.data(), halves.data(), dimension),
           scalar_.dot_half(query.data(), halves.data(), dimension));
      near(kernels.euclid_half(query.data(), halves.data(), dimension),
           scalar_.euclid_half(query.data(), halves.data(), dimension));
      near(kernels.dot_byte(query.data(), bytes.data(), dimension),
           scalar_.dot_byte(query.data(), bytes.data(), dimension));
      near(kernels.euclid_byte(query.data(), bytes.data(), dimension),
           scalar_.euclid_byte(query.data(), bytes.data(), dimension));
    }
  }
}

TEST(Half, EveryHalfSurvivesTheWayThere) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = HalfToFloat(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(value))));
    } else {
      ASSERT_EQ(FloatToHalf(value), half);
    }
  }
}

TEST(Half, RoundsToNearestEvenAndToInfinity) {
  EXPECT_EQ(FloatToHalf(2049.0f), FloatToHalf(2048.0f));
  EXPECT_EQ(FloatToHalf(2051.0f), FloatToHalf(2052.0f));
  EXPECT_EQ(HalfToFloat(FloatToHalf(65519.0f)), 65504.0f);
  EXPECT_TRUE(std::isinf(HalfToFloat(FloatToHalf(65520.0f))));
  EXPECT_EQ(HalfToFloat(FloatToHalf(1e-9f)), 0.0f);
  EXPECT_EQ(HalfToFloat(FloatToHalf(-0x1p-24f)), -0x1p-24f);
}

}  // namespace
}  // namespace almagest
