// Affine maps y = W x + b: the form in which every deployed adapter is applied, and the algebra by
// which queries of one version search documents of another exactly (TRAINING notes: "linear
// document adapter, cosine"; here extended by a bias).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

// An immutable affine map of D dimensions onto D. Thread-safe; copies share the weights.
class LinearMap {
 public:
  // weights: [D, D] row-major, output x input (y = W x). bias: D values, or empty for none.
  // kInvalidArgument if D is 0, a size is wrong or a value is not finite.
  static Result<LinearMap> Create(size_t dimensions, std::vector<float> weights,
                                  std::vector<float> bias);
  static LinearMap Identity(size_t dimensions);

  size_t dimensions() const;
  bool is_identity() const;
  std::span<const float> weights() const;  // [D, D]; empty for the identity.
  std::span<const float> bias() const;     // D values, or empty where there is none.

  // y = W x + b of one vector by a plain kernel (34-50 us at D = 768); the identity copies the
  // bits. Returns |W x + b|. With `normalize` y has length 1 (a zero result stays zero). Not in
  // place.
  float Apply(std::span<const float> x, std::span<float> y, bool normalize) const;

  // The same for x: [rows, D] into y: [rows, D] by oneDNN on the calling thread. `norms` is empty
  // or takes |W x + b| of each row. Rows may differ from Apply by rounding (1e-6).
  void ApplyBatch(std::span<const float> x, size_t rows, std::span<float> y, bool normalize,
                  std::span<float> norms = {}) const;

 private:
  struct State;
  explicit LinearMap(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

// A search of documents stored by map k as if they had been stored by map t (same D). With
//   d_k = (W_k x + b_k) / n_k,  n_k = |W_k x + b_k|      (the stored, normalised vector)
//   d_t = (W_t x + b_t) / n_t,  n_t = |W_t x + b_t|      (what it would be under t)
// and M = W_t W_k^-1 one has, exactly,
//   q . d_t = ((M^T q) . d_k * n_k + q . (b_t - M b_k)) / n_t.
// So a query costs one D x D product, and a document two scalars (n_k, n_t) and no new vector.
// Where vectors are not normalised (dot product), use n_k = n_t = 1.
class CrossVersionMap {
 public:
  // kInvalidArgument if the dimensions differ; kFailedPrecondition if W_k is singular or so close
  // to it (condition over 1e5) that float32 scores would be noise. O(D^3): 30 to 100 ms at D = 512.
  static Result<CrossVersionMap> Compose(const LinearMap& target, const LinearMap& stored);

  // Writes M^T q (D values) and returns q . (b_t - M b_k). Not in place.
  float MapQuery(std::span<const float> query, std::span<float> mapped) const;

  // The score of one document: `dot` is mapped . d_k, `constant` what MapQuery returned.
  static float Score(float dot, float constant, float stored_norm, float target_norm) {
    return target_norm > 0 ? (dot * stored_norm + constant) / target_norm : 0.0f;
  }

  size_t dimensions() const { return dimensions_; }
  std::span<const float> transform() const { return transform_; }  // M, [D, D] row-major.
  std::span<const float> offset() const { return offset_; }        // b_t - M b_k
  // Estimate of the 1-norm condition number of W_k.
  double condition() const { return condition_; }

 private:
  size_t dimensions_ = 0;
  double condition_ = 1;
  std::vector<float> transform_;  // M, [D, D] row-major: M^T q = q * M.
  std::vector<float> offset_;     // b_t - M b_k
};

}  // namespace almagest
