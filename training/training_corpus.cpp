#include "training/training_corpus.h"

#include "storage/base/check.h"
#include "storage/base/checksum.h"

namespace almagest::training {
namespace {

// All judged documents and, up to the limit, a seeded sample of the others, ascending.
std::vector<int32_t> ChooseCorpus(std::span<const JudgedQuery> judged, int64_t document_count,
                                  int64_t limit, uint64_t seed) {
  std::vector<uint8_t> wanted(static_cast<size_t>(document_count), document_count <= limit);
  if (document_count > limit) {
    for (const JudgedQuery& query : judged) {
      for (const JudgedDocument& entry : query.documents) {
        wanted[static_cast<size_t>(entry.document)] = 1;
      }
    }
    for (int64_t i = 0; i < limit; ++i) {
      const uint64_t draw = Mix64(seed ^ Mix64(static_cast<uint64_t>(i)));
      wanted[draw % static_cast<uint64_t>(document_count)] = 1;
    }
  }
  std::vector<int32_t> corpus;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i]) corpus.push_back(static_cast<int32_t>(i));
  }
  return corpus;
}

}  // namespace

TrainingCorpus::TrainingCorpus(const VectorSpace& space, std::span<const JudgedQuery> judged,
                               const JobConfig& config)
    : graded_(config.options.graded_loss),
      corpus_(ChooseCorpus(judged, space.document_count(), config.options.mining_documents_max,
                           config.seed)) {
  position_of_.assign(static_cast<size_t>(space.document_count()), -1);
  for (size_t i = 0; i < corpus_.size(); ++i) {
    position_of_[static_cast<size_t>(corpus_[i])] = static_cast<int32_t>(i);
  }
}

TrainingData TrainingCorpus::MakeData(std::span<const JudgedQuery> train,
                                      std::span<const JudgedQuery> validation) const {
  TrainingData data;
  data.corpus = corpus_;
  for (const JudgedQuery& query : train) {
    data.train.push_back(MakeTrainingQuery(query, position_of_, graded_));
  }
  data.validation.assign(validation.begin(), validation.end());
  for (JudgedQuery& query : data.validation) {
    for (JudgedDocument& entry : query.documents) {
      entry.document = position_of_[static_cast<size_t>(entry.document)];
      ALMAGEST_CHECK(entry.document >= 0);
    }
  }
  return data;
}

}  // namespace almagest::training
