// Trains one candidate adapter on the device: InfoNCE, AdamW, mined negatives, early stopping.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "training/batch_sampler.h"
#include "training/job_config.h"
#include "training/linear_adapter.h"
#include "training/negative_hardness.h"
#include "training/progress.h"
#include "training/vector_space.h"

namespace almagest::training {

// Everywhere below documents are positions in `corpus`.
struct TrainingData {
  std::vector<int32_t> corpus;  // Document rows that are mined from and validated on, ascending.
  std::vector<TrainingQuery> train;
  std::vector<JudgedQuery> validation;
};

struct LossPoint {
  int64_t step = 0;
  double loss = 0;                   // Mean since the point before.
  double validation_ndcg_at_10 = 0;  // 0 where there is no validation.
};

// residual_map.h
enum class Shape { kFull, kLowRank, kDiagonal, kOrthogonal, kMlp, kMixture };
constexpr bool HasHiddenLayer(Shape shape) {
  return shape == Shape::kMlp || shape == Shape::kMixture;
}

// How the loss is descended. Adam scales every weight's step by itself: fast, but with little data
// it moves all D^2 weights, also where the data say nothing. Descent along the normalised gradient
// (Hazan, Levy & Shalev-Shwartz 2015) with momentum stays in the span of the vectors seen.
enum class Descent { kAdam, kNormalised };

// Where a candidate starts and what of it is learned. The learned part starts at zero, so step 0
// is `start`; weight decay pulls back to it.
struct Candidate {
  std::string name;  // For the loss curve and the log.
  Shape shape = Shape::kFull;
  bool maps_documents = true;  // The same map on both sides; false: on queries only, documents
                               // stay as `start` has them. With a hidden layer always false.
  LinearAdapter start;         // Identity, whitening or another linear map.
  // Above 0: the start is the matched whitening map of this power (space_geometry.h). It learns
  // from judged pairs, so it is fitted anew to the queries of every training.
  double matched_power = 0;
  bool rotated = false;  // Of that map.
  // Of that map, too: blended with this one (neighbour_map.h), which needs no judgements.
  std::shared_ptr<const LinearAdapter> neighbours = nullptr;
  bool answers = false;      // And of that blend, with a third part for queries: their answers.
  int64_t steps = 0;         // At most; exactly this many where there is no validation.
  double change_factor = 1;  // The learned change is multiplied by this at the end.
  Descent descent = Descent::kAdam;
  double temperature = 0;        // Of the loss; 0: that of the options.
  int64_t candidates_left = 0;   // To be trained after this one; for the estimate of time only.
  std::vector<LossPoint> rival;  // Of the best candidate so far: who is clearly behind it at the
                                 // same step stops early.
  // Where there is one, the start is what this one gives, a linear map without `first`, trained on
  // the queries of every training anew (recipe_training.h).
  std::shared_ptr<const Candidate> first = nullptr;

  bool Learns() const { return steps > 0 || matched_power > 0; }
};

struct TrainedCandidate {
  LinearAdapter adapter;  // `start` and the learned part folded into one.
  std::vector<LossPoint> curve;
  int64_t best_step = 0;
  double validation_ndcg_at_10 = 0;  // At best_step.
  // The same with the learned change times each of kChangeFactors; empty without validation.
  std::vector<double> validation_by_factor;
  double change_factor = 1;         // The one applied to `adapter`.
  NegativeHardness hardness;        // Of the negatives mined last, by the map as it was then.
  std::vector<float> expert_loads;  // Of a mixture: what each gets of the training queries.
};

// A change learned from little data may be worth more at a part of its size, and one stopped early
// at more.
inline constexpr double kChangeFactors[] = {0.5, 0.75, 1, 1.25, 1.5};

// The factor of the best validation; 1 unless another is better by more than chance rounding.
double BestFactor(std::span<const double> validation_by_factor);

// kInternal if the loss is not finite. Deterministic for a seed, a device and a number of threads,
// as long as `deadline_seconds` (on the progress clock) is not reached; there it stops with the
// best so far. Cost: a step is about 6 (B + C) D^2 + 6 B C D flops.
Result<TrainedCandidate> TrainCandidate(const VectorSpace& space, const TrainingData& data,
                                        const Candidate& candidate, const TrainingOptions& options,
                                        uint64_t seed, double deadline_seconds, Progress* progress);

}  // namespace almagest::training
