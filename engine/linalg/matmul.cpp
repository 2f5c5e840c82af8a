#include "engine/linalg/matmul.h"

#include <omp.h>

#include <algorithm>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include "engine/linalg/row_kernels.h"
#include "storage/base/check.h"
#include "storage/base/log.h"

namespace almagest {
namespace {

const dnnl::engine& CpuEngine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// oneDNN takes mutable pointers for its inputs too, and does not write to them.
void* Mutable(const float* data) { return const_cast<float*>(data); }

}  // namespace

struct Matmul::State {
  std::span<const float> weights;
  std::span<const float> bias;
  size_t inputs = 0;
  size_t outputs = 0;
  WeightLayout layout = WeightLayout::kInputMajor;
  Activation activation = Activation::kNone;
  mutable std::once_flag once;
  mutable std::unique_ptr<dnnl::matmul> primitive;  // Null if oneDNN could not make it.

  dnnl::memory::desc WeightShape() const {
    return {{static_cast<dnnl_dim_t>(inputs), static_cast<dnnl_dim_t>(outputs)},
            dnnl::memory::data_type::f32,
            layout == WeightLayout::kInputMajor ? dnnl::memory::format_tag::ab
                                                : dnnl::memory::format_tag::ba};
  }
  static dnnl::memory::desc RowShape(dnnl_dim_t rows, size_t columns) {
    return {{rows, static_cast<dnnl_dim_t>(columns)},
            dnnl::memory::data_type::f32,
            dnnl::memory::dims{static_cast<dnnl_dim_t>(columns), 1}};
  }

  // The number of rows is left open, so that one primitive serves every batch.
  void Compile() const {
    try {
      dnnl::primitive_attr attributes;
      if (activation == Activation::kRelu) {
        dnnl::post_ops relu;
        relu.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
        attributes.set_post_ops(relu);
      }
      const auto x = RowShape(DNNL_RUNTIME_DIM_VAL, inputs);
      const auto y = RowShape(DNNL_RUNTIME_DIM_VAL, outputs);
      const auto description = bias.empty()
                                   ? dnnl::matmul::desc(x, WeightShape(), y)
                                   : dnnl::matmul::desc(x, WeightShape(), RowShape(1, outputs), y);
      primitive = std::make_unique<dnnl::matmul>(
          dnnl::matmul::primitive_desc(description, attributes, CpuEngine()));
    } catch (const dnnl::error& error) {
      LogWarning(std::string("oneDNN cannot multiply here, using plain kernels: ") + error.what());
    }
  }

  void RunRow(const float* x, float* y) const {
    const float* b = bias.empty() ? nullptr : bias.data();
    if (layout == WeightLayout::kInputMajor) {
      RowTimesMatrix(x, weights.data(), b, inputs, outputs, y);
    } else {
      MatrixTimesColumn(weights.data(), x, b, outputs, inputs, y);
    }
    if (activation == Activation::kRelu) {
      std::transform(y, y + outputs, y, [](float value) { return std::max(value, 0.0f); });
    }
  }

  bool RunPrimitive(const float* x, size_t rows, float* y) const {
    // Of the calling thread only. Without it libgomp would start a spinning team per thread.
    omp_set_num_threads(1);
    std::call_once(once, [this] { Compile(); });
    if (primitive == nullptr) return false;
    try {
      const auto count = static_cast<dnnl_dim_t>(rows);
      std::unordered_map<int, dnnl::memory> arguments = {
          {DNNL_ARG_SRC, {RowShape(count, inputs), CpuEngine(), Mutable(x)}},
          {DNNL_ARG_WEIGHTS, {WeightShape(), CpuEngine(), Mutable(weights.data())}},
          {DNNL_ARG_DST, {RowShape(count, outputs), CpuEngine(), y}}};
      if (!bias.empty()) {
        arguments.emplace(DNNL_ARG_BIAS,
                          dnnl::memory(RowShape(1, outputs), CpuEngine(), Mutable(bias.data())));
      }
      dnnl::stream stream(CpuEngine());
      primitive->execute(stream, arguments);
      stream.wait();
      return true;
    } catch (const dnnl::error& error) {
      LogWarning(std::string("oneDNN failed, using plain kernels: ") + error.what());
      return false;
    }
  }
};

Matmul::Matmul(std::span<const float> weights, std::span<const float> bias, size_t inputs,
               size_t outputs, WeightLayout layout, Activation activation)
    : state_(std::make_unique<State>()) {
  ALMAGEST_CHECK(inputs > 0 && outputs > 0 && weights.size() == inputs * outputs);
  ALMAGEST_CHECK(bias.empty() || bias.size() == outputs);
  state_->weights = weights;
  state_->bias = bias;
  state_->inputs = inputs;
  state_->outputs = outputs;
  state_->layout = layout;
  state_->activation = activation;
}
Matmul::Matmul(Matmul&&) noexcept = default;
Matmul& Matmul::operator=(Matmul&&) noexcept = default;
Matmul::~Matmul() = default;

void Matmul::Run(const float* x, size_t rows, float* y) const {
  if (rows > 1 && state_->RunPrimitive(x, rows, y)) return;
  for (size_t row = 0; row < rows; ++row) {
    state_->RunRow(x + row * state_->inputs, y + row * state_->outputs);
  }
}

size_t Matmul::inputs() const { return state_->inputs; }
size_t Matmul::outputs() const { return state_->outputs; }

}  // namespace almagest
