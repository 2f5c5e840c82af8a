// How far a version moves results that nobody judged: a check on what the held-out queries, which
// come from those who give feedback, cannot see.
#pragma once

#include <span>
#include <vector>

#include "training/linear_adapter.h"
#include "training/progress.h"
#include "training/vector_space.h"

namespace almagest::training {

struct Drift {
  size_t queries = 0;    // Guard queries looked at; 0: none were given.
  size_t documents = 0;  // Documents that were searched for by their own vectors.
  // Mean share of the first ten results of a guard query (of a document, where there are no guard
  // queries) that the new version keeps of `before`, or of whitening, whichever it is nearer to.
  double overlap_at_10 = 0;
  // Share of the documents that are among the first ten results for themselves, as "more like this"
  // searches: the base vector of the document through the query map.
  double self_retrieval = 0;
  double self_retrieval_before = 0;
};

inline constexpr int64_t kDriftDocumentsMax = 500;
inline constexpr int64_t kGuardQueriesUsed = 500;

// `guard` holds rows of the space's dimension. Cost: up to 2 x 500 queries by three versions.
Drift MeasureDrift(const VectorSpace& space, std::span<const float> guard,
                   const LinearAdapter& trained, const LinearAdapter& before,
                   const LinearAdapter& whitened, const Tick& tick);

// What a score means: quantiles of the scores of first ten results, which the same queries get by
// each version. A threshold of one version that stands at a quantile stands there by another.
struct ScoreScale {
  static constexpr double kLevels[] = {0.05, 0.25, 0.5, 0.75, 0.95};

  size_t queries = 0;
  bool guarded = false;         // By recent searches; else by held-out queries.
  std::vector<double> base;     // One a level, ascending: of the vectors as they are,
  std::vector<double> active;   // by the version that is active,
  std::vector<double> trained;  // by the new one.
};

inline constexpr size_t kScaleQueriesMin = 20;

// By the guard queries, or with fewer than kScaleQueriesMin of them by the query rows `held_out`;
// of either about kGuardQueriesUsed. Empty without any. Cost: these queries by three versions.
ScoreScale MeasureScores(const VectorSpace& space, std::span<const float> guard,
                         std::span<const int32_t> held_out, const LinearAdapter& active,
                         const LinearAdapter& trained, const Tick& tick);

// The first results of queries with their scores, both sides by one version; entry [i * depth + r]
// is rank r of query i.
struct ScoredResults {
  int64_t depth = 0;  // min(kScoredDepth, documents).
  std::vector<int32_t> documents;
  std::vector<float> scores;
};
inline constexpr int64_t kScoredDepth = 10;

// Of rows of the space's queries. Cost: these queries by one version.
ScoredResults FindScored(const VectorSpace& space, const LinearAdapter& version,
                         std::span<const int32_t> query_rows, const Tick& tick);

}  // namespace almagest::training
