// Trains the candidates of an objective and chooses one of them on the validation queries. The
// identity and the whitening map are always among those compared.
#pragma once

#include <string>
#include <vector>

#include "storage/base/result.h"
#include "training/adapter_training.h"
#include "training/job_config.h"
#include "training/judgements.h"
#include "training/neighbour_map.h"
#include "training/query_split.h"

namespace almagest::training {

struct CandidateRecord {
  std::string name;  // query_low_rank, two_sided_linear, matched_two_sided_linear, whitening, ...
  std::vector<LossPoint> curve;
  int64_t best_step = 0;
  double validation_ndcg_at_10 = 0;
  double change_factor = 1;  // What the learned change was multiplied by (adapter_training.h).
  double temperature = 0;
  NegativeHardness hardness;        // Of the negatives mined last; of folds, all of them together.
  std::vector<float> expert_loads;  // Of a mixture (adapter_training.h); of folds, of the last.
};

struct Selection {
  LinearAdapter adapter;   // The winner.
  LinearAdapter whitened;  // The label-free baseline.
  double whitening_power = 0;
  std::string winner;
  std::vector<CandidateRecord> candidates;
  std::string explanation;  // Of the choice, in plain words.
  Candidate recipe;         // How `adapter` was trained: steps and factor are fixed. Unless it
                            // Learns(), the winner is its start.
};

// `judged` are all judged queries; only those in split.train and split.validation are looked at.
// `lists` may be empty; they are used where queries are so few that folds choose.
// kInternal if a loss diverged.
Result<Selection> TrainAndSelect(const VectorSpace& space, std::span<const JudgedQuery> judged,
                                 const QuerySplit& split, const NeighbourLists& lists,
                                 const JobConfig& config, Progress* progress);

}  // namespace almagest::training
