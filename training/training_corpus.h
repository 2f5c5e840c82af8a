// The documents that one training mines from and validates on, and judged queries in their terms.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "training/adapter_training.h"
#include "training/job_config.h"
#include "training/judgements.h"
#include "training/vector_space.h"

namespace almagest::training {

class TrainingCorpus {
 public:
  // All documents that `judged` names and, up to options.mining_documents_max, a seeded sample of
  // the others.
  TrainingCorpus(const VectorSpace& space, std::span<const JudgedQuery> judged,
                 const JobConfig& config);

  // Both must be among the queries that the corpus was made for.
  TrainingData MakeData(std::span<const JudgedQuery> train,
                        std::span<const JudgedQuery> validation) const;

 private:
  bool graded_;                       // options.graded_loss
  std::vector<int32_t> corpus_;       // Document rows, ascending.
  std::vector<int32_t> position_of_;  // Of each document row; -1: not in the corpus.
};

}  // namespace almagest::training
