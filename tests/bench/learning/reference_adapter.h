// The adapter to beat: what popular toolkits train on the same judgements with the same vectors.
#pragma once

#include <cstdint>
#include <span>

#include "training/judgements.h"
#include "training/linear_adapter.h"
#include "training/vector_space.h"

namespace almagest::bench {

// One linear map W = I + P, the same for queries and documents: InfoNCE over the batch (temperature
// 0.05, batches of 128 pairs, known positives masked), Adam, learning rate 3e-4, at most 400 steps;
// the number of steps by nDCG@10 on a tenth of the train queries that is held back. No mined
// negatives, no whitening, no gate. On the CPU, deterministic for a seed.
training::LinearAdapter TrainReferenceAdapter(const training::VectorSpace& space,
                                              std::span<const training::JudgedQuery> train,
                                              uint64_t seed);

}  // namespace almagest::bench
