#include "storage/base/bootstrap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "storage/base/checksum.h"

namespace almagest {
namespace {

TEST(ChecksumTest, KnownValuesOfXxh3) {
  // The empty string's value is in the specification of XXH3.
  EXPECT_EQ(Checksum("", 0), 0x2d06800538d394c2ULL);
  EXPECT_NE(Checksum("a", 1), Checksum("b", 1));
}

TEST(ChecksumTest, OneFlippedBitChangesIt) {
  std::vector<unsigned char> bytes(300, 7);
  const uint64_t before = Checksum(bytes.data(), bytes.size());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<unsigned char>(1u << (bit % 8));
    EXPECT_NE(Checksum(bytes.data(), bytes.size()), before) << bit;
    bytes[bit / 8] ^= static_cast<unsigned char>(1u << (bit % 8));
  }
}

TEST(BootstrapTest, EdgesOfTheInput) {
  const Interval none = BootstrapMean({});
  EXPECT_EQ(none.mean, 0);
  EXPECT_EQ(none.low, 0);
  EXPECT_EQ(none.high, 0);
  const std::vector<double> one = {0.25};
  const Interval single = BootstrapMean(one);
  EXPECT_EQ(single.mean, 0.25);
  EXPECT_EQ(single.low, 0.25);
  EXPECT_EQ(single.high, 0.25);
}

TEST(BootstrapTest, IntervalAgreesWithTheNormalOne) {
  // For the mean of many values the percentile interval is close to mean +- 1.96 s / sqrt(n).
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal(3.0, 2.0);
  std::vector<double> values(2000);
  double sum = 0;
  for (double& value : values) sum += value = normal(random);
  const double mean = sum / 2000;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double half_width = 1.96 * std::sqrt(squares / 1999 / 2000);
  const Interval interval = BootstrapMean(values, 0.95, 4000, 9);
  EXPECT_NEAR(interval.mean, mean, 1e-9);
  EXPECT_NEAR(interval.low, mean - half_width, 0.1 * half_width);
  EXPECT_NEAR(interval.high, mean + half_width, 0.1 * half_width);
  EXPECT_EQ(BootstrapMean(values, 0.95, 4000, 9).low, interval.low);   // The same seed.
  EXPECT_NE(BootstrapMean(values, 0.95, 4000, 10).low, interval.low);  // Another one.
}

}  // namespace
}  // namespace almagest
