#include "engine/index/rotation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "index_fixtures.h"

namespace almagest {
namespace {

using index_test::Dataset;
using index_test::Random;
using index_test::RandomRows;

float Length(const std::vector<float>& values, size_t count) {
  double sum = 0.0;
  for (size_t i = 0; i < count; ++i) sum += double{values[i]} * values[i];
  return static_cast<float>(std::sqrt(sum));
}

TEST(CodeRotation, QueriesAndRowsGoThroughTheSameMap) {
  Random random(1);
  for (const auto& [dimension, bits] : std::vector<std::pair<uint32_t, uint32_t>>{
           {1, 8}, {3, 8}, {100, 104}, {100, 48}, {65, 200}}) {
    SCOPED_TRACE(testing::Message() << dimension << " to " << bits);
    const Dataset data = RandomRows(random, 200, dimension, false);
    const CodeRotation rotation = CodeRotation::Train(data.View(), bits, 7);
    const auto matrix = rotation.FloatMatrix();
    std::vector<float> centred(dimension);
    std::vector<float> exact(rotation.output_count());
    std::vector<float> fast(rotation.output_count());
    std::vector<uint8_t> levels;
    std::vector<int32_t> sums;
    for (uint32_t row = 0; row < 20; ++row) {
      rotation.RotateRow(matrix, data.Row(row), centred.data(), exact.data());
      rotation.Rotate(data.Row(row), BestFastscanKernels(), levels, sums, fast.data());
      std::vector<float> error(bits);
      for (size_t b = 0; b < bits; ++b) error[b] = fast[b] - exact[b];
      // 7 bits over a range of about 5 deviations: 1.2 % of a deviation per coordinate.
      EXPECT_LE(Length(error, bits), 0.03f * std::sqrt(static_cast<float>(dimension)));
    }
  }
}

TEST(CodeRotation, KeepsLengthsWhereThereIsRoom) {
  Random random(2);
  const Dataset data = RandomRows(random, 300, 96, false);
  const CodeRotation rotation = CodeRotation::Train(data.View(), 104, 3);
  const auto matrix = rotation.FloatMatrix();
  std::vector<float> centred(96);
  std::vector<float> rotated(rotation.output_count());
  for (uint32_t row = 0; row < 50; ++row) {
    rotation.RotateRow(matrix, data.Row(row), centred.data(), rotated.data());
    const float expected = Length(centred, 96);
    EXPECT_NEAR(Length(rotated, 104), expected, 0.02f * expected);
  }
}

TEST(CodeRotation, FindsTheDirectionsOfLargestVariance) {
  // 128 dimensions, but all of the variance in 16 of them.
  Random random(3);
  Dataset data = RandomRows(random, 500, 128, false);
  for (uint32_t row = 0; row < data.count; ++row) {
    for (uint32_t i = 0; i < 128; ++i) data.values[row * 128 + i] *= i % 8 == 0 ? 10.0f : 0.01f;
  }
  const CodeRotation rotation = CodeRotation::Train(data.View(), 24, 5);
  const auto matrix = rotation.FloatMatrix();
  std::vector<float> centred(128);
  std::vector<float> rotated(rotation.output_count());
  for (uint32_t row = 0; row < 50; ++row) {
    rotation.RotateRow(matrix, data.Row(row), centred.data(), rotated.data());
    const float expected = Length(centred, 128);
    EXPECT_NEAR(Length(rotated, 24), expected, 0.05f * expected);
  }
}

TEST(CodeRotation, DegenerateRowsGiveFiniteMaps) {
  Dataset data;
  data.count = 3;
  data.dimension = 40;
  data.values.assign(120, 2.5f);
  for (const uint32_t bits : {8u, 40u}) {
    const CodeRotation rotation = CodeRotation::Train(data.View(), bits, 1);
    for (const float weight : rotation.FloatMatrix()) ASSERT_TRUE(std::isfinite(weight));
  }
  data.present = {0};
  const CodeRotation empty = CodeRotation::Train(data.View(), 8, 1);
  for (const float weight : empty.FloatMatrix()) ASSERT_TRUE(std::isfinite(weight));
}

TEST(CodeRotation, BytesBringItBackAndOthersAreRefused) {
  Random random(4);
  const Dataset data = RandomRows(random, 100, 30, false);
  const CodeRotation rotation = CodeRotation::Train(data.View(), 24, 9);
  const auto bytes = rotation.Serialise();
  const auto back = CodeRotation::FromBytes(bytes, 30, 24);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->FloatMatrix(), rotation.FloatMatrix());
  EXPECT_EQ(back->mean(), rotation.mean());
  EXPECT_EQ(CodeRotation::Train(data.View(), 24, 9).Serialise(), bytes) << "not deterministic";
  EXPECT_NE(CodeRotation::Train(data.View(), 24, 10).Serialise(), bytes);
  for (const auto& [dimension, bits] : std::vector<std::pair<uint32_t, uint32_t>>{
           {31, 24}, {30, 40}, {0, 24}, {30, 0}, {30, 25}, {30, 8192}}) {
    const auto refused = CodeRotation::FromBytes(bytes, dimension, bits);
    ASSERT_FALSE(refused.has_value()) << dimension << " " << bits;
    EXPECT_EQ(refused.error().code, ErrorCode::kCorruption);
  }
  EXPECT_FALSE(CodeRotation::FromBytes(std::span(bytes).first(bytes.size() - 1), 30, 24));
}

}  // namespace
}  // namespace almagest
