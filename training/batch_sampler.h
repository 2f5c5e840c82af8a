// Turns judged queries and mined negatives into batches of row numbers. No LibTorch; everything
// random is seeded, so the same seed gives the same batches.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "training/judgements.h"
#include "training/negative_mining.h"

namespace almagest::training {

// One query to learn from. Documents are positions in the training corpus, ascending.
struct TrainingQuery {
  int32_t query = 0;  // Row of the query matrix.
  std::vector<int32_t> positives;
  std::vector<float> positive_weights;  // Weight times grade, > 0; graded: the weight.
  std::vector<float> positive_grades;   // > 0
  std::vector<int32_t> negatives;       // Judged and found not relevant.
  float weight = 0;                     // Of the query: the mean of its positive weights.
};

// Splits the judged documents of a query by grade. `position_of` maps document rows to positions
// in the training corpus. `graded`: the loss takes the grade as its target, so that it is no
// weight.
TrainingQuery MakeTrainingQuery(const JudgedQuery& judged, std::span<const int32_t> position_of,
                                bool graded = false);

struct Batch {
  std::vector<int32_t> queries;    // [B] indexes into the training queries.
  std::vector<int32_t> columns;    // [C] corpus positions; the first B are the positives.
  std::vector<uint8_t> excluded;   // [B, C] 1: not a negative of this query (nor its positive).
  std::vector<uint8_t> confirmed;  // [B, C] 1: a judged negative; exempt from the duplicate filter.
  std::vector<float> weights;      // [B]
  std::vector<float> grades;       // [B, C] of what is known to be relevant, else 0; if graded.
};

class BatchSampler {
 public:
  struct Options {
    int64_t batch_size = 128;
    int64_t hard_negatives = 4;
    int64_t random_negatives = 256;
    double positive_ratio = 0.95;
    int64_t corpus_size = 0;
    uint64_t seed = 0;
    bool graded = false;  // For a loss with grades as targets.
  };
  // The queries must outlive the sampler and may not be empty. `topics` (query_topics.h): of each
  // query, or empty.
  BatchSampler(std::span<const TrainingQuery> queries, const Options& options,
               std::vector<int32_t> topics = {});

  // With topics, an epoch goes through them one after the other, both they and the queries of each
  // in a random order: a batch is of one topic, or of those that the end of one and the beginning
  // of the next ones fill it with. Without, in a random order of all queries. An epoch visits each
  // query once, with one of its positives drawn by weight (several, up to 4, where that fits into a
  // batch: then a query's weight is shared). `mined` is parallel to the queries, or empty. Masked
  // for a row: its known positives (if graded, they are targets instead), and every second column
  // of one document.
  Batch Next(std::span<const MinedQuery> mined);
  int64_t epoch() const { return epoch_; }  // Completed ones.
  int64_t steps_per_epoch() const;

 private:
  size_t NextQuery();
  void ShuffleEpoch();
  size_t DrawPositive(const TrainingQuery& query);

  std::span<const TrainingQuery> queries_;
  Options options_;
  int64_t draws_ = 1;  // Positives drawn at each visit of a query.
  std::mt19937_64 random_;
  std::vector<uint32_t> order_;
  std::vector<int32_t> topics_;
  std::vector<uint32_t> topic_rank_;  // Place of each topic in this epoch.
  size_t at_ = 0;
  int64_t epoch_ = 0;
};

}  // namespace almagest::training
