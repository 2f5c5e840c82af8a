#include "storage/base/monotone_curve.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace almagest {
namespace {

TEST(MonotoneCurve, GoesThroughItsKnotsAndOnBeyondThem) {
  const auto curve = MonotoneCurve::Create({0, 1, 3}, {10, 12, 13}).value();
  EXPECT_FLOAT_EQ(curve(0), 10);
  EXPECT_FLOAT_EQ(curve(0.5), 11);
  EXPECT_FLOAT_EQ(curve(2), 12.5);
  EXPECT_FLOAT_EQ(curve(3), 13);
  EXPECT_FLOAT_EQ(curve(6), 16);  // By one a unit: from the first knot to the last.
  EXPECT_FLOAT_EQ(curve(-2), 8);
}

TEST(MonotoneCurve, NeverFalls) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<float> step(1e-3f, 1);
  for (int round = 0; round < 50; ++round) {
    SCOPED_TRACE(round);
    std::vector<float> inputs = {-2}, outputs = {5};
    for (int i = 0; i < 30; ++i) {
      inputs.push_back(inputs.back() + step(random));
      outputs.push_back(outputs.back() + step(random));
    }
    const auto curve = MonotoneCurve::Create(inputs, outputs).value();
    float before = -std::numeric_limits<float>::infinity();
    for (float at = -5; at < 40; at += 0.013f) {
      EXPECT_GE(curve(at), before) << at;
      before = curve(at);
    }
  }
}

TEST(MonotoneCurve, RefusesWhatDoesNotRise) {
  EXPECT_FALSE(MonotoneCurve::Create({0}, {0}));
  EXPECT_FALSE(MonotoneCurve::Create({0, 1}, {0}));
  EXPECT_FALSE(MonotoneCurve::Create({0, 0}, {0, 1}));
  EXPECT_FALSE(MonotoneCurve::Create({0, 1}, {1, 1}));
  EXPECT_FALSE(MonotoneCurve::Create({0, std::numeric_limits<float>::quiet_NaN()}, {0, 1}));
  EXPECT_FALSE(MonotoneCurve::Create(std::vector<float>(300), std::vector<float>(300)));
}

}  // namespace
}  // namespace almagest
