// SIMD kernels over rows of float32, chosen at run time for the processor (Highway). What is too
// small for oneDNN: one query through a map, layer norms, attention of one text.
#pragma once

#include <cstddef>

namespace almagest {

// y[o] = bias[o] + sum_i x[i] * w[i * outputs + o]. bias may be nullptr. y must not overlap x.
void RowTimesMatrix(const float* x, const float* w, const float* bias, size_t inputs,
                    size_t outputs, float* y);

// y[o] = bias[o] + sum_i w[o * inputs + i] * x[i]. bias may be nullptr. y must not overlap x.
void MatrixTimesColumn(const float* w, const float* x, const float* bias, size_t outputs,
                       size_t inputs, float* y);

float DotProduct(const float* a, const float* b, size_t n);

// Scales x to length 1 and returns its length before. A zero (or not finite) vector stays as it is.
float NormalizeInPlace(float* x, size_t n);

// y = (x - mean(x)) / sqrt(variance(x) + epsilon) * scale + bias. y may be x.
void LayerNorm(const float* x, const float* scale, const float* bias, size_t n, float epsilon,
               float* y);

// Multi-head self-attention of one sequence without mask: for each head h,
//   out[:, h] = softmax(scale * q[:, h] * k[:, h]^T) * v[:, h].
// qkv: [tokens, 3 * width] with q, k and v side by side, heads side by side inside each.
// out: [tokens, width]. width is a multiple of heads. scratch: `tokens` floats.
void Attention(const float* qkv, size_t tokens, size_t width, size_t heads, float scale,
               float* scratch, float* out);

}  // namespace almagest
