// Y = act(X * W + bias) by oneDNN. matmul.cpp is the only file of the program that includes oneDNN.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace almagest {

// How the weights lie in memory; both row-major float32.
enum class WeightLayout {
  kInputMajor,   // [inputs, outputs]: y = x * W, as encoders store theirs.
  kOutputMajor,  // [outputs, inputs]: y = W * x, as adapters store theirs.
};
enum class Activation { kNone, kRelu };

// A matrix multiplication with fixed weights and any number of rows.
//
// Thread-safe: Run may be called from any number of threads at once; each call uses one core (the
// caller's), since request threads already give the parallelism. The oneDNN primitive is compiled
// on the first call with more than one row (43 ms for the first of the process, then under 1 ms);
// construction costs nothing. One row goes through a plain kernel and needs no primitive.
// Equal calls give equal bits; the same row in batches of other sizes may differ by rounding.
// Cost: 2 * rows * inputs * outputs flops at the rate of sgemm on one core.
class Matmul {
 public:
  // Views: `weights` (inputs * outputs values) and `bias` (outputs values, or empty) must outlive
  // the object. Sizes are checked.
  Matmul(std::span<const float> weights, std::span<const float> bias, size_t inputs, size_t outputs,
         WeightLayout layout, Activation activation = Activation::kNone);
  Matmul(Matmul&&) noexcept;
  Matmul& operator=(Matmul&&) noexcept;
  ~Matmul();

  // x: [rows, inputs], y: [rows, outputs]; they must not overlap. rows == 0 does nothing.
  void Run(const float* x, size_t rows, float* y) const;

  size_t inputs() const;
  size_t outputs() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace almagest
