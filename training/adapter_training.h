// Trains one candidate adapter on the device: InfoNCE, AdamW, mined negatives, early stopping.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "training/batch_sampler.h"
#include "training/job_config.h"
#include "training/linear_adapter.h"
#include "training/progress.h"
#include "training/vector_space.h"

namespace almagest::training {

// Everywhere below documents are positions in `corpus`.
struct TrainingData {
  std::vector<int32_t> corpus;  // Document rows that are mined from and validated on, ascending.
  std::vector<TrainingQuery> train;
  std::vector<JudgedQuery> validation;
};

// Where a candidate starts and what of it is learned. The learned part starts at zero, so step 0
// is exactly `start`; weight decay pulls back to it.
struct Candidate {
  std::string name;       // For the loss curve and the log.
  bool low_rank = false;  // True: queries x + B A x, documents as in `start`. False: the same
                          // full map x + P x on both sides. x is the vector mapped by `start`.
  LinearAdapter start;    // Identity or whitening.
  int64_t steps = 0;      // At most; exactly this many where there is no validation.
  int64_t candidates_left = 0;  // To be trained after this one; for the estimate of time only.
};

struct LossPoint {
  int64_t step = 0;
  double loss = 0;                   // Mean since the point before.
  double validation_ndcg_at_10 = 0;  // 0 where there is no validation.
};

struct TrainedCandidate {
  LinearAdapter adapter;  // `start` and the learned part folded into one map.
  std::vector<LossPoint> curve;
  int64_t best_step = 0;
  double validation_ndcg_at_10 = 0;  // At best_step.
};

// kInternal if the loss is not finite. Deterministic for a seed, a device and a number of threads,
// as long as `deadline_seconds` (on the progress clock) is not reached; there it stops with the
// best so far. Cost: a step is about 6 (B + C) D^2 + 6 B C D flops.
Result<TrainedCandidate> TrainCandidate(const VectorSpace& space, const TrainingData& data,
                                        const Candidate& candidate, const TrainingOptions& options,
                                        uint64_t seed, double deadline_seconds, Progress* progress);

}  // namespace almagest::training
