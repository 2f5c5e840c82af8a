// Trains the versions of one arm, one after the other. Uses LibTorch: include only from files that
// do anyway.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <vector>

#include "tests/bench/learning/compatibility_anchor.h"
#include "tests/bench/learning/compatibility_arms.h"
#include "training/judgements.h"
#include "training/vector_space.h"

namespace almagest::bench {

// What the versions of one seed learn from. Queries arrive one after the other; version t knows
// the first t / T of them.
struct CompatibilityTask {
  const training::VectorSpace& space;
  std::vector<std::vector<training::JudgedQuery>> train;       // [t - 1]
  std::vector<std::vector<training::JudgedQuery>> validation;  // [t - 1] a fifth, in no train part.
  PseudoClasses classes;
  int64_t steps = 200;  // Of each version, at most.
  uint64_t seed = 1;

  size_t versions() const { return train.size(); }
};

// A version, as far as searching needs it. Version 0 is the base vectors as they are.
struct MappedVersion {
  torch::Tensor queries;    // [Q, D] all queries of the set.
  torch::Tensor documents;  // [N, D] all documents, as stored.
  torch::Tensor matrix;     // [D, D] W of linear document maps; the identity otherwise.
  torch::Tensor lengths;    // [N] |W x|, what storing divided by.
  std::vector<torch::Tensor> parameters;
  int64_t best_step = 0;
  double validation = 0;  // nDCG@10 at best_step.
};

CompatibilityTask MakeTask(const training::VectorSpace& space,
                           std::span<const training::JudgedQuery> train, size_t versions,
                           int64_t steps, uint64_t seed);

MappedVersion BaseVersion(const training::VectorSpace& space);

// nDCG@10 of each judged query; `scores` [queries, N].
std::vector<double> NdcgOf(const torch::Tensor& scores,
                           std::span<const training::JudgedQuery> judged);

// Version older.size(), older[0] being the base. InfoNCE (temperature .05, in-batch and random
// negatives, known positives masked) and the terms of the arm; Adam; the step is
// chosen by nDCG@10 on the validation queries, half of it against documents of old versions where
// the arm looks back. On the CPU, deterministic for a seed. train[older.size() - 1] may not be
// empty.
MappedVersion TrainVersion(const CompatibilityTask& task, const CompatibilityArm& arm,
                           std::span<const MappedVersion> older, double learning_rate);

}  // namespace almagest::bench
