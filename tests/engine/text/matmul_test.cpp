#include "engine/linalg/matmul.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "tests/engine/text/random_floats.h"

namespace almagest {
namespace {

struct Shape {
  size_t rows, inputs, outputs;
};

std::vector<float> NaiveProduct(const Shape& shape, const std::vector<float>& x,
                                const std::vector<float>& w, const std::vector<float>& bias,
                                WeightLayout layout, Activation activation) {
  std::vector<float> y(shape.rows * shape.outputs);
  for (size_t r = 0; r < shape.rows; ++r) {
    for (size_t o = 0; o < shape.outputs; ++o) {
      double sum = bias.empty() ? 0 : bias[o];
      for (size_t i = 0; i < shape.inputs; ++i) {
        const size_t at =
            layout == WeightLayout::kInputMajor ? i * shape.outputs + o : o * shape.inputs + i;
        sum += double{x[r * shape.inputs + i]} * w[at];
      }
      if (activation == Activation::kRelu) sum = std::max(sum, 0.0);
      y[r * shape.outputs + o] = static_cast<float>(sum);
    }
  }
  return y;
}

void ExpectNear(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) ASSERT_NEAR(actual[i], expected[i], 1e-4) << i;
}

TEST(Matmul, AgreesWithANaiveProductForEveryShapeLayoutAndActivation) {
  const Shape shapes[] = {{1, 1, 1},   {1, 5, 3},    {2, 7, 9},
                          {3, 64, 33}, {1, 130, 67}, {40, 96, 128}};
  uint64_t seed = 1;
  for (const Shape& shape : shapes) {
    for (const auto layout : {WeightLayout::kInputMajor, WeightLayout::kOutputMajor}) {
      for (const auto activation : {Activation::kNone, Activation::kRelu}) {
        for (const bool with_bias : {false, true}) {
          SCOPED_TRACE(testing::Message() << "seed " << seed << " rows " << shape.rows << " inputs "
                                          << shape.inputs << " outputs " << shape.outputs);
          const auto x = RandomFloats(shape.rows * shape.inputs, ++seed);
          const auto w = RandomFloats(shape.inputs * shape.outputs, ++seed);
          const auto bias = RandomFloats(with_bias ? shape.outputs : 0, ++seed);
          const Matmul matmul(w, bias, shape.inputs, shape.outputs, layout, activation);
          std::vector<float> y(shape.rows * shape.outputs, -7.0f);
          matmul.Run(x.data(), shape.rows, y.data());
          ExpectNear(y, NaiveProduct(shape, x, w, bias, layout, activation));
        }
      }
    }
  }
}

TEST(Matmul, OneObjectServesManyThreadsAndBatchSizes) {
  const size_t n = 48;
  const auto w = RandomFloats(n * n, 1);
  const Matmul matmul(w, {}, n, n, WeightLayout::kOutputMajor);
  std::vector<std::vector<float>> results(4);
  std::vector<std::vector<float>> inputs(4);
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < results.size(); ++t) {
      inputs[t] = RandomFloats((t + 2) * n, 100 + t);
      results[t].resize((t + 2) * n);
      threads.emplace_back([&, t] { matmul.Run(inputs[t].data(), t + 2, results[t].data()); });
    }
  }
  for (size_t t = 0; t < results.size(); ++t) {
    ExpectNear(results[t], NaiveProduct({t + 2, n, n}, inputs[t], w, {}, WeightLayout::kOutputMajor,
                                        Activation::kNone));
  }
}

TEST(Matmul, NoRowsWriteNothing) {
  const auto w = RandomFloats(4, 1);
  const Matmul matmul(w, {}, 2, 2, WeightLayout::kInputMajor);
  float untouched = 3;
  matmul.Run(nullptr, 0, &untouched);
  EXPECT_EQ(untouched, 3);
}

}  // namespace
}  // namespace almagest
