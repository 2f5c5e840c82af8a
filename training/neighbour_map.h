// What a search by words teaches the dense vectors, without any feedback: documents that share
// their rare words should be near each other.
#pragma once

#include <cstdint>
#include <span>

#include "storage/base/result.h"
#include "training/job_config.h"
#include "training/linear_adapter.h"
#include "training/progress.h"
#include "training/vector_space.h"

namespace almagest::training {

// For some documents the nearest others by words (BM25), best first.
struct NeighbourLists {
  std::span<const int32_t> documents;   // [P], rows.
  std::span<const int32_t> neighbours;  // [P * depth], rows; -1 after the last of a document.
  int64_t depth = 0;

  bool empty() const { return documents.empty() || depth == 0; }
};

// The map `start` (whitening) taken further by 200 steps of InfoNCE, in which documents stand for
// queries and their neighbours for answers: weak supervision by the leg that knows the words, as
// pseudo-queries of a lexical teacher are used to train encoders (Dehghani et al. 2017,
// arXiv:1704.08803). The same W for both sides, each side centred as in `start`, which must share
// its W, too, and keep every direction. Lists that name nothing but the document itself are left
// out; with fewer than 100 others the result is `start`.
// Deterministic as TrainCandidate is. Cost: 200 steps, and P searches for negatives, twice.
// kInternal if the loss diverged.
Result<LinearAdapter> LearnFromNeighbours(const VectorSpace& space, const NeighbourLists& lists,
                                          const LinearAdapter& start, const JobConfig& config,
                                          Progress* progress);

}  // namespace almagest::training
