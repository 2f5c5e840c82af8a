// config.json of a job folder: what to train, on what, within which limits (docs/job-folder.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/result.h"

namespace almagest::training {

enum class Distance { kCosine, kDot };
enum class Objective {
  kAuto,
  kQueryDiagonal,
  kQueryLowRank,
  kQueryOrthogonal,
  kQueryLinear,
  kQueryMlp,
  kQueryMixture,
  kTwoSidedLinear,
  kWhitening
};
enum class DeviceChoice { kAuto, kCpu, kCuda };

// Every field has a key of the same name under "options"; the ranges are in job_config.cpp and in
// docs/job-folder.md. An unknown key is refused.
struct TrainingOptions {
  int64_t rank = 32;               // Of the query-side residual A B, and of each expert.
  int64_t hidden = 128;            // Units of an mlp.
  int64_t experts = 4;             // Of a mixture; rank times as many units.
  double temperature = 0.05;       // InfoNCE; scores are divided by it.
  bool tunes_temperature = false;  // "auto": the winner is tried with others, too.
  bool graded_loss = false;        // BiXSE: the grade is the target. False: InfoNCE.
  double trimmed_share = 0;        // Of a batch: pairs of the largest losses are left out.
  int64_t batch_size = 128;        // (query, document) pairs a step.
  int64_t topics = 0;              // Of queries; a batch is of one or few. 0: of queries at random.
  int64_t steps_max = 600;         // Per candidate; validation usually stops earlier.
  double learning_rate = 3e-4;     // Full map (AdamW).
  double low_rank_learning_rate = 1e-3;
  double weight_decay = 0.01;       // Pulls the map back to where it started.
  double validation_fraction = -1;  // Of the query groups: stops and chooses. Absent: .1, but
                                    // enough for 100 queries, at most .3.
  double held_out_fraction = 0.15;  // Of the query groups: decides the gate. 0: no gate.
  int64_t hard_negatives = 4;       // Mined for each pair of a batch, shared by the batch.
  int64_t random_negatives = 256;   // Drawn for each batch.
  int64_t mining_depth = 32;        // Candidates kept for each query, nearest first.
  int64_t mining_refreshes = 2;     // Mined at the start and after each epoch, at most this often.
  int64_t mining_documents_max = 100'000;  // Mining and validation use a sample beyond this.
  double positive_ratio = 0.95;    // A mined negative scores below this share of its positive.
  double duplicate_cosine = 0.97;  // Documents nearer to the positive are no negatives.
  double group_cosine = 0.95;      // Queries nearer than this are one group.
  int64_t evaluate_every = 25;     // Steps between validations.
  int64_t patience = 4;            // Validations without a gain before a candidate stops.
  int64_t validation_queries_max = 500;
  int64_t queries_min = 32;          // Fewer judged queries: the job is skipped.
  double whitening_power = -1;       // 0..1; absent: chosen on train and validation queries.
  bool refit = true;                 // Train the winner again with the validation queries.
  double time_budget_seconds = 600;  // Reached: the best so far is kept (and is not repeatable).
};

struct GateOptions {
  double min_gain = 0;                  // The lower bound of the nDCG@10 gain must exceed this.
  double alpha = 0.05;                  // Chance of a false promotion, over all gates (gate.h).
  int64_t queries_min = 100;            // Fewer held-out queries: insufficient data.
  double compatibility_margin = 0.005;  // C[new][k] may be below C[k][k] by this much...
  double compatibility_bound_margin = 0.01;  // ...and the lower bound by this much.
  double effective_rank_ratio_min = 0.5;     // Of the adapted documents, relative to base.
  double trusted_margin = 0.005;  // The lower bound of trusted judgements may be so far below 0.
  double user_share_max = 1;      // Of the judgement weight; 1 switches it off.
  double leave_out_user_share = 0.05;  // The heaviest user beyond this share is left out in a
                                       // second training, which must gain as well; 1: never.
  double overlap_min = 0.1;            // Of results that nobody judged (drift_guard.h).
  double self_retrieval_min = 0.5;     // Likewise.
  double most_shown_share_max = 0.1;   // Of held-out queries that one document may newly be
                                       // among the first ten of.
};

struct JobConfig {
  std::string job_id;
  std::string collection;
  std::string vector;  // Name of the vector; empty is the unnamed one.
  Distance distance = Distance::kCosine;
  int64_t dimension = 0;
  uint64_t seed = 0;
  int64_t threads = 1;
  DeviceChoice device = DeviceChoice::kAuto;
  Objective objective = Objective::kAuto;
  int64_t active_version = 0;
  std::vector<int64_t> live_versions;  // Ascending, each once; holds active_version.
  int64_t gate_number = 1;             // Gates on this feedback so far, with this one.
  TrainingOptions options;
  GateOptions gate;
};

// kInvalidArgument with one sentence that names the key, the value and the limit.
Result<JobConfig> ParseJobConfig(std::string_view json);

Result<DeviceChoice> ParseDevice(std::string_view name);
const char* ObjectiveName(Objective objective);

}  // namespace almagest::training
