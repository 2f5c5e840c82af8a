#include "engine/linalg/linear_map.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/text/random_floats.h"

namespace almagest {
namespace {

// Near the identity, as adapters are: I + 0.3 * noise / sqrt(D), and a small bias.
LinearMap RandomMap(size_t n, uint64_t seed) {
  auto weights = RandomFloats(n * n, seed);
  for (float& value : weights) value *= 0.5f / std::sqrt(static_cast<float>(n));
  for (size_t i = 0; i < n; ++i) weights[i * n + i] += 1;
  auto bias = RandomFloats(n, seed + 1000);
  for (float& value : bias) value *= 0.1f;
  return *LinearMap::Create(n, std::move(weights), std::move(bias));
}

std::vector<double> NaiveApply(const LinearMap& map, const float* x) {
  const size_t n = map.dimensions();
  std::vector<double> y(n);
  for (size_t o = 0; o < n; ++o) {
    y[o] = map.bias().empty() ? 0 : map.bias()[o];
    for (size_t i = 0; i < n; ++i) {
      y[o] += double{map.is_identity() ? float(i == o) : map.weights()[o * n + i]} * x[i];
    }
  }
  return y;
}

double Norm(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

TEST(LinearMap, OneAndManyRowsAgreeWithTheDefinition) {
  for (const size_t n : {1, 3, 32, 100}) {
    SCOPED_TRACE(n);
    const LinearMap map = RandomMap(n, n);
    const size_t rows = 6;
    const auto x = RandomFloats(rows * n, 50 + n);
    for (const bool normalize : {false, true}) {
      std::vector<float> batch(rows * n), norms(rows), single(n);
      map.ApplyBatch(x, rows, batch, normalize, norms);
      for (size_t r = 0; r < rows; ++r) {
        const auto expected = NaiveApply(map, &x[r * n]);
        const double norm = Norm(expected);
        EXPECT_NEAR(norms[r], norm, 1e-4);
        EXPECT_NEAR(map.Apply(std::span(x).subspan(r * n, n), single, normalize), norm, 1e-4);
        for (size_t i = 0; i < n; ++i) {
          const double value = normalize ? expected[i] / norm : expected[i];
          ASSERT_NEAR(batch[r * n + i], value, 1e-4);
          ASSERT_NEAR(single[i], value, 1e-4);
        }
      }
    }
  }
}

TEST(LinearMap, TheIdentityKeepsTheBitsOfUnitVectors) {
  auto x = RandomFloats(64, 4);
  std::vector<float> unit(64), y(64);
  LinearMap::Identity(64).Apply(x, unit, true);
  EXPECT_NEAR(LinearMap::Identity(64).Apply(unit, y, true), 1, 1e-5);
  EXPECT_EQ(unit, y);
  LinearMap::Identity(64).Apply(x, y, false);
  EXPECT_EQ(x, y);
}

TEST(LinearMap, RefusesWrongSizesAndValues) {
  EXPECT_EQ(LinearMap::Create(0, {}, {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(LinearMap::Create(2, {1, 0, 0}, {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(LinearMap::Create(2, {1, 0, 0, 1}, {1}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(LinearMap::Create(2, {1, 0, 0, NAN}, {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(LinearMap::Create(2, {1, 0, 0, 1}, {0, INFINITY}).error().code,
            ErrorCode::kInvalidArgument);
}

// The point of the algebra: scores of old documents under the new version, without new vectors.
void ExpectExactScores(const LinearMap& target, const LinearMap& stored, uint64_t seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const size_t n = target.dimensions();
  const auto cross = CrossVersionMap::Compose(target, stored);
  ASSERT_TRUE(cross) << cross.error().message;
  const auto query = RandomFloats(n, seed);
  std::vector<float> mapped(n);
  const float constant = cross->MapQuery(query, mapped);
  for (uint64_t document = 0; document < 20; ++document) {
    const auto x = RandomFloats(n, seed * 100 + document);
    const auto new_vector = NaiveApply(target, x.data());
    const auto old_vector = NaiveApply(stored, x.data());
    double expected = 0, dot = 0;
    for (size_t i = 0; i < n; ++i) {
      expected += query[i] * new_vector[i] / Norm(new_vector);
      dot += mapped[i] * old_vector[i] / Norm(old_vector);
    }
    EXPECT_NEAR(CrossVersionMap::Score(static_cast<float>(dot), constant,
                                       static_cast<float>(Norm(old_vector)),
                                       static_cast<float>(Norm(new_vector))),
                expected, 1e-4);
  }
}

TEST(CrossVersionMap, ScoresEqualThoseOfReembeddedDocuments) {
  for (const size_t n : {2, 16, 96}) {
    ExpectExactScores(RandomMap(n, 7), RandomMap(n, 8), n);
    ExpectExactScores(RandomMap(n, 9), LinearMap::Identity(n), n + 1);
    ExpectExactScores(LinearMap::Identity(n), RandomMap(n, 10), n + 2);
    ExpectExactScores(LinearMap::Identity(n), LinearMap::Identity(n), n + 3);
  }
}

TEST(CrossVersionMap, RefusesWhatCannotBeInverted) {
  const auto singular = *LinearMap::Create(2, {1, 2, 2, 4}, {});
  EXPECT_EQ(CrossVersionMap::Compose(LinearMap::Identity(2), singular).error().code,
            ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(CrossVersionMap::Compose(singular, LinearMap::Identity(2)));
  const auto nearly = *LinearMap::Create(2, {1, 0, 0, 1e-7f}, {});
  EXPECT_EQ(CrossVersionMap::Compose(LinearMap::Identity(2), nearly).error().code,
            ErrorCode::kFailedPrecondition);
  EXPECT_EQ(CrossVersionMap::Compose(LinearMap::Identity(2), LinearMap::Identity(3)).error().code,
            ErrorCode::kInvalidArgument);
}

TEST(CrossVersionMap, ReportsTheCondition) {
  const auto stretched = *LinearMap::Create(2, {1, 0, 0, 0.01f}, {});
  EXPECT_NEAR(CrossVersionMap::Compose(LinearMap::Identity(2), stretched)->condition(), 100, 1);
}

TEST(CrossVersionMap, ADocumentOfNoLengthScoresZero) {
  EXPECT_EQ(CrossVersionMap::Score(0.5f, 0.5f, 1, 0), 0);
}

}  // namespace
}  // namespace almagest
