// Compiled once per processor target: Highway's foreach_target.h includes this file again.
#include "engine/linalg/row_kernels.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/linalg/row_kernels.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway requires.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace almagest {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::ScalableTag<float>;

float DotKernel(const float* a, const float* b, size_t n) {
  const Tag d;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), s0);
    s1 = hn::MulAdd(hn::LoadU(d, a + i + lanes), hn::LoadU(d, b + i + lanes), s1);
    s2 = hn::MulAdd(hn::LoadU(d, a + i + 2 * lanes), hn::LoadU(d, b + i + 2 * lanes), s2);
    s3 = hn::MulAdd(hn::LoadU(d, a + i + 3 * lanes), hn::LoadU(d, b + i + 3 * lanes), s3);
  }
  for (; i + lanes <= n; i += lanes) {
    s0 = hn::MulAdd(hn::LoadU(d, a + i), hn::LoadU(d, b + i), s0);
  }
  float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
  for (; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// y += sum over r of x[r] * w[r * stride + ...] for four rows at a time: one load and store of y
// for four loads of w, which come from the outer caches.
void RowTimesMatrixKernel(const float* x, const float* w, const float* bias, size_t inputs,
                          size_t outputs, size_t stride, float* y) {
  const Tag d;
  const size_t lanes = hn::Lanes(d);
  if (bias != nullptr) {
    std::copy_n(bias, outputs, y);
  } else {
    std::fill_n(y, outputs, 0.0f);
  }
  size_t i = 0;
  for (; i + 4 <= inputs; i += 4) {
    const float* w0 = w + i * stride;
    const float* w1 = w0 + stride;
    const float* w2 = w1 + stride;
    const float* w3 = w2 + stride;
    const auto x0 = hn::Set(d, x[i]), x1 = hn::Set(d, x[i + 1]);
    const auto x2 = hn::Set(d, x[i + 2]), x3 = hn::Set(d, x[i + 3]);
    size_t o = 0;
    for (; o + lanes <= outputs; o += lanes) {
      auto sum = hn::MulAdd(x0, hn::LoadU(d, w0 + o), hn::LoadU(d, y + o));
      sum = hn::MulAdd(x1, hn::LoadU(d, w1 + o), sum);
      sum = hn::MulAdd(x2, hn::LoadU(d, w2 + o), sum);
      sum = hn::MulAdd(x3, hn::LoadU(d, w3 + o), sum);
      hn::StoreU(sum, d, y + o);
    }
    for (; o < outputs; ++o) {
      y[o] += x[i] * w0[o] + x[i + 1] * w1[o] + x[i + 2] * w2[o] + x[i + 3] * w3[o];
    }
  }
  for (; i < inputs; ++i) {
    const auto xi = hn::Set(d, x[i]);
    const float* row = w + i * stride;
    size_t o = 0;
    for (; o + lanes <= outputs; o += lanes) {
      hn::StoreU(hn::MulAdd(xi, hn::LoadU(d, row + o), hn::LoadU(d, y + o)), d, y + o);
    }
    for (; o < outputs; ++o) y[o] += x[i] * row[o];
  }
}

void MatrixTimesColumnKernel(const float* w, const float* x, const float* bias, size_t outputs,
                             size_t inputs, float* y) {
  for (size_t o = 0; o < outputs; ++o) {
    y[o] = DotKernel(w + o * inputs, x, inputs) + (bias != nullptr ? bias[o] : 0.0f);
  }
}

void ScaleKernel(float* x, size_t n, float factor) {
  const Tag d;
  const size_t lanes = hn::Lanes(d);
  const auto f = hn::Set(d, factor);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Mul(hn::LoadU(d, x + i), f), d, x + i);
  for (; i < n; ++i) x[i] *= factor;
}

void LayerNormKernel(const float* x, const float* scale, const float* bias, size_t n, float epsilon,
                     float* y) {
  const Tag d;
  const size_t lanes = hn::Lanes(d);
  auto sums = hn::Zero(d);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) sums = hn::Add(sums, hn::LoadU(d, x + i));
  float sum = hn::GetLane(hn::SumOfLanes(d, sums));
  for (; i < n; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(n);
  const auto means = hn::Set(d, mean);
  auto squares = hn::Zero(d);
  for (i = 0; i + lanes <= n; i += lanes) {
    const auto centred = hn::Sub(hn::LoadU(d, x + i), means);
    squares = hn::MulAdd(centred, centred, squares);
  }
  float square = hn::GetLane(hn::SumOfLanes(d, squares));
  for (; i < n; ++i) square += (x[i] - mean) * (x[i] - mean);
  const float inverse = 1.0f / std::sqrt(square / static_cast<float>(n) + epsilon);
  const auto inverses = hn::Set(d, inverse);
  for (i = 0; i + lanes <= n; i += lanes) {
    const auto unit = hn::Mul(hn::Sub(hn::LoadU(d, x + i), means), inverses);
    hn::StoreU(hn::MulAdd(unit, hn::LoadU(d, scale + i), hn::LoadU(d, bias + i)), d, y + i);
  }
  for (; i < n; ++i) y[i] = (x[i] - mean) * inverse * scale[i] + bias[i];
}

void AttentionKernel(const float* qkv, size_t tokens, size_t width, size_t heads, float scale,
                     float* weights, float* out) {
  const size_t head_width = width / heads;
  const size_t stride = 3 * width;
  for (size_t h = 0; h < heads; ++h) {
    const float* k = qkv + width + h * head_width;
    const float* v = k + width;
    for (size_t t = 0; t < tokens; ++t) {
      const float* q = qkv + t * stride + h * head_width;
      float largest = -INFINITY;
      for (size_t u = 0; u < tokens; ++u) {
        weights[u] = scale * DotKernel(q, k + u * stride, head_width);
        largest = std::max(largest, weights[u]);
      }
      float sum = 0;
      for (size_t u = 0; u < tokens; ++u) {
        weights[u] = std::exp(weights[u] - largest);
        sum += weights[u];
      }
      ScaleKernel(weights, tokens, 1.0f / sum);
      RowTimesMatrixKernel(weights, v, nullptr, tokens, head_width, stride,
                           out + t * width + h * head_width);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace almagest
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace almagest {
namespace {
HWY_EXPORT(DotKernel);
HWY_EXPORT(RowTimesMatrixKernel);
HWY_EXPORT(MatrixTimesColumnKernel);
HWY_EXPORT(ScaleKernel);
HWY_EXPORT(LayerNormKernel);
HWY_EXPORT(AttentionKernel);
}  // namespace

void RowTimesMatrix(const float* x, const float* w, const float* bias, size_t inputs,
                    size_t outputs, float* y) {
  HWY_DYNAMIC_DISPATCH(RowTimesMatrixKernel)(x, w, bias, inputs, outputs, outputs, y);
}

void MatrixTimesColumn(const float* w, const float* x, const float* bias, size_t outputs,
                       size_t inputs, float* y) {
  HWY_DYNAMIC_DISPATCH(MatrixTimesColumnKernel)(w, x, bias, outputs, inputs, y);
}

float DotProduct(const float* a, const float* b, size_t n) {
  return HWY_DYNAMIC_DISPATCH(DotKernel)(a, b, n);
}

float NormalizeInPlace(float* x, size_t n) {
  const float norm = std::sqrt(DotProduct(x, x, n));
  if (norm > 0 && std::isfinite(norm)) HWY_DYNAMIC_DISPATCH(ScaleKernel)(x, n, 1.0f / norm);
  return norm;
}

void LayerNorm(const float* x, const float* scale, const float* bias, size_t n, float epsilon,
               float* y) {
  HWY_DYNAMIC_DISPATCH(LayerNormKernel)(x, scale, bias, n, epsilon, y);
}

void Attention(const float* qkv, size_t tokens, size_t width, size_t heads, float scale,
               float* scratch, float* out) {
  HWY_DYNAMIC_DISPATCH(AttentionKernel)(qkv, tokens, width, heads, scale, scratch, out);
}

}  // namespace almagest
#endif  // HWY_ONCE
