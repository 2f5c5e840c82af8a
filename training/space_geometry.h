// What can be learned in closed form, from the documents alone or from judged pairs: whitening
// maps; and diagnostics that show when an adapter has damaged the space.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "storage/base/result.h"
#include "training/judgements.h"
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

  // The same from feedback: the covariance is mixed with that of query - document (each centred by
  // its own mean) over the relevant pairs of `judged`, so that directions in which a query and its
  // answers differ count less than those in which they agree. The pairs' share is n / (n + 20) with
  // n judged queries; a query counts by its weight, its documents by grade. No steps, no seed, and
  // from few queries better than descent: nDCG@10 of 400 to 500 other train queries of four sets,
  // use-lite, whitened and matched: scifact (58 judged) .334 .388, (400) .343 .551, banking77 (58)
  // .627 .648, (1,000) .626 .673. Maps are of the kind "two_sided_linear".
  // Source: relevant component analysis (Bar-Hillel et al. 2005, JMLR 6), with shrinkage.
  // Cost: O(P D^2 + D^3) for P pairs, of which about 50,000 are used (at least one a query).
  WhiteningBasis Matched(const VectorSpace& space, std::span<const JudgedQuery> judged) const;

  // The label-free map: y = U (L + e)^(-power/2) U^T (x - mean), with the covariance U L U^T and e
  // 5 % of its mean eigenvalue. Queries and documents share the matrix, but each side is centred by
  // its own mean: they are different kinds of text (nDCG@10 on four judged sets with one mean and
  // with two: .262 .307, .226 .275, .199 .205, .639 .638; mixed covariance on the third: .211).
  // Power 0 only centres, 1 whitens fully. Scaled so that the mean length of a document is kept
  // (that matters for dot products only). Kind "whitening", unless Matched.
  // Source: Su et al. 2021 (arXiv:2103.15316) for the use on sentence vectors.
  LinearAdapter Map(double power) const;
  // The same scores in other coordinates: y = (L + e)^(-power/2) U^T (x - mean), one value a
  // principal axis, so that a diagonal map on top weighs the axes.
  LinearAdapter RotatedMap(double power) const;
  // Map(power) and `other` in equal parts: W = (A / tr A C + B / tr B C)^(1/2) with their squares A
  // and B and C the covariance of all vectors, so that scores are about the sum of both maps' own.
  // Two maps that err by different causes err less together. `other` maps both sides by one W; of
  // it only that W counts, sides are centred as here. Kind "two_sided_linear".
  LinearAdapter Blend(double power, const LinearAdapter& other) const;
  // A third part for `blend`, which is Blend(power, other): ridge regression, in the coordinates of
  // `other`, of the judged queries onto the mean direction of their relevant documents, M W_other
  // with M drawn towards the identity. To the scores of the blend it adds those of that map,
  // weighed as the other parts are, on the query side alone: documents stay as the blend has them.
  // Cost: O(P D^2 + Q^3 + D^3) for P pairs of Q queries, which should be few.
  LinearAdapter AddAnswers(const LinearAdapter& blend, const LinearAdapter& other,
                           const VectorSpace& space, std::span<const JudgedQuery> judged) const;

 private:
  void Decompose();
  LinearAdapter MakeMap(double power, bool rotated) const;

  int64_t dimension_ = 0;
  const char* kind_ = "whitening";
  std::vector<double> document_mean_;
  std::vector<double> query_mean_;
  std::vector<double> covariance_;  // [D, D]
  std::vector<double> total_;       // The same before judged pairs were mixed in.
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
