// Fixed targets for every version of a map: pseudo-classes of the documents and, for each, a vertex
// of a regular simplex turned towards its centroid (Pernici et al. 2021, "Regular polytope
// networks", arXiv:2103.15632; Biondi et al. 2024, arXiv:2405.02581, for stationary
// representations). All vertices are equally far from each other, so getting closer to the right
// one is getting away from every other; between centroids of texts, cosines are mostly above 0 and
// that does not hold.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace almagest::bench {

// [count, count - 1]: unit rows with inner products -1 / (count - 1); count >= 2.
std::vector<double> SimplexVertices(int64_t count);

struct PseudoClasses {
  int64_t count = 0;             // K
  std::vector<float> mean;       // [D] of the documents.
  std::vector<int32_t> cluster;  // [N] of each document, 0 .. K-1.
  std::vector<float> centroids;  // [K, D] of length 1, of the documents as they are.
  std::vector<float> simplex;    // [K, D] vertices, as near to the centred centroids as a rotation
                                 // brings them.
  double fit = 0;  // Mean cosine of vertex and centred centroid; 1: the base is a simplex already.
};

// Spherical k-means over the centred documents [N, D], where no cluster gets more than 1.2 N / K
// of them. Deterministic for a seed. 2 <= K <= min(N, D). Cost: ten passes of 2 N K D flops.
PseudoClasses FindPseudoClasses(std::span<const float> documents, int64_t dimension, int64_t count,
                                uint64_t seed);

}  // namespace almagest::bench
