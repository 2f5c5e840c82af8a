// What can be learned from the documents alone: the whitening map, and diagnostics that show when
// an adapter has damaged the space.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/base/result.h"
#include "training/linear_adapter.h"
#include "training/vector_space.h"

namespace almagest::training {

// Means of documents and of queries, and the principal axes of both together; a sample of 100,000
// documents where there are more. Needs no judgements.
class WhiteningBasis {
 public:
  // `query_rows` are the queries that may be looked at. The covariance is a mixture, half of it
  // that of the queries when they are many; with few, mean and covariance are drawn towards those
  // of the documents. kInvalidArgument if the documents have no spread at all.
  // Cost: O(N D^2 + D^3).
  static Result<WhiteningBasis> Fit(const VectorSpace& space, std::span<const int32_t> query_rows);

  // The label-free map: y = U (L + e)^(-power/2) U^T (x - mean), with the covariance U L U^T and e
  // 5 % of its mean eigenvalue. Queries and documents share the matrix, but each side is centred by
  // its own mean: they are different kinds of text (nDCG@10 on four judged sets with one mean and
  // with two: .262 .307, .226 .275, .199 .205, .639 .638; mixed covariance on the third: .211).
  // Power 0 only centres, 1 whitens fully. Scaled so that the mean length of a document is kept
  // (that matters for dot products only). Kind "whitening".
  // Source: Su et al. 2021 (arXiv:2103.15316) for the use on sentence vectors.
  LinearAdapter Map(double power) const;
  // The same scores in other coordinates: y = (L + e)^(-power/2) U^T (x - mean), one value a
  // principal axis, so that a diagonal map on top weighs the axes.
  LinearAdapter RotatedMap(double power) const;

 private:
  LinearAdapter MakeMap(double power, bool rotated) const;

  int64_t dimension_ = 0;
  std::vector<double> document_mean_;
  std::vector<double> query_mean_;
  std::vector<double> eigenvalues_;
  std::vector<double> axes_;  // [D, D], one eigenvector a column.
};

struct Geometry {
  bool finite = true;
  double effective_rank = 0;       // exp of the entropy of the documents' singular values.
  double base_effective_rank = 0;  // The same before the map.
  double condition = 1;            // Of the document weight (query weight if that is identity).
  double operator_norm_minus_identity = 0;  // Largest singular value of W - I, same W.
  double alignment = 0;                     // Mean |q - d|^2 over the relevant pairs given.
  double uniformity = 0;                    // log mean exp(-2 |a - b|^2) over pairs of documents.
};

// Alignment and uniformity: Wang & Isola 2020 (arXiv:2005.10242). Uses 10,000 documents at most.
Geometry MeasureGeometry(const VectorSpace& space, const LinearAdapter& adapter,
                         std::span<const std::pair<int32_t, int32_t>> relevant_pairs);

}  // namespace almagest::training
