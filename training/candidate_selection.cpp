#include "training/candidate_selection.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <optional>

#include "storage/base/check.h"
#include "storage/base/checksum.h"
#include "training/evaluation.h"
#include "training/space_geometry.h"

namespace almagest::training {
namespace {

constexpr double kDefaultPower = 0.75;
constexpr double kPowers[] = {0.375, 0.5, 0.75};
constexpr size_t kCrossValidationQueries = 400;
constexpr int kFolds = 5;
constexpr int64_t kRunQueries = 2000;  // Runs of a recipe times its queries, about.
constexpr int64_t kRunsMax = 4;
constexpr int64_t kPowerScores = 35'000'000;  // Query-document scores a tried power may cost.

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

std::vector<JudgedQuery> Pick(std::span<const JudgedQuery> judged, std::span<const size_t> rows) {
  std::vector<JudgedQuery> picked;
  for (const size_t row : rows) picked.push_back(judged[row]);
  return picked;
}

// Documents that may be mined and validated on, and the queries as positions in them.
class TrainingCorpus {
 public:
  TrainingCorpus(const VectorSpace& space, std::span<const JudgedQuery> judged,
                 const JobConfig& config)
      : corpus_(ChooseCorpus(judged, space.document_count(), config.options.mining_documents_max,
                             config.seed)) {
    position_of_.assign(static_cast<size_t>(space.document_count()), -1);
    for (size_t i = 0; i < corpus_.size(); ++i) {
      position_of_[static_cast<size_t>(corpus_[i])] = static_cast<int32_t>(i);
    }
  }

  TrainingData MakeData(std::span<const JudgedQuery> train,
                        std::span<const JudgedQuery> validation) const {
    TrainingData data;
    data.corpus = corpus_;
    for (const JudgedQuery& query : train) {
      data.train.push_back(MakeTrainingQuery(query, position_of_));
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

 private:
  std::vector<int32_t> corpus_;
  std::vector<int32_t> position_of_;  // Of each document row; -1: not in the corpus.
};

class Selector {
 public:
  Selector(const VectorSpace& space, std::span<const JudgedQuery> judged, const QuerySplit& split,
           const JobConfig& config, Progress* progress)
      : space_(space),
        config_(config),
        progress_(progress),
        train_(Pick(judged, split.train)),
        validation_(Pick(judged, split.validation)) {
    for (const auto* rows : {&split.train, &split.validation}) {
      for (const size_t row : *rows) {
        known_.push_back(judged[row]);
        fold_.push_back(static_cast<int>(
            Mix64(config.seed ^ Mix64(static_cast<uint64_t>(split.group[row]))) % kFolds));
      }
    }
    corpus_.emplace(space, known_, config);
  }

  Result<Selection> Select() {
    Selection selection;
    progress_->Phase("whitening");
    ALMAGEST_TRY(const WhiteningBasis basis, WhiteningBasis::Fit(space_, KnownRows()));
    selection.whitening_power = ChoosePower(basis);
    selection.whitened = basis.Map(selection.whitening_power);
    const LinearAdapter identity = LinearAdapter::Identity(space_.dimension());
    if (config_.objective == Objective::kWhitening) {
      selection.adapter = selection.whitened;
      selection.winner = "whitening";
      return selection;
    }
    std::vector<Candidate> candidates = Candidates(basis, selection, identity);
    const double budget = config_.options.time_budget_seconds;
    std::vector<TrainedCandidate> trained;
    size_t best = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      Candidate candidate = candidates[i];
      const size_t left = candidates.size() - i - 1;
      candidate.candidates_left = static_cast<int64_t>(left) * (CrossValidates() ? kFolds : 1);
      if (!CrossValidates() && i > 0) candidate.rival = trained[best].curve;
      progress_->Phase("training");
      // Each candidate gets its share of the budget, so that the last one is not starved.
      const double deadline =
          budget * static_cast<double>(i + 1) / static_cast<double>(candidates.size() + 2);
      ALMAGEST_TRY(TrainedCandidate result, TryOut(candidate, deadline));
      selection.candidates.push_back({candidate.name, result.curve, result.best_step,
                                      result.validation_ndcg_at_10, result.change_factor});
      trained.push_back(std::move(result));
      if (trained[i].validation_ndcg_at_10 > trained[best].validation_ndcg_at_10) best = i;
      // The best full map once more, by the other descent.
      if (left == 0 && candidate.descent == Descent::kAdam && trained[best].best_step > 0 &&
          candidates[best].shape == Shape::kFull && config_.objective == Objective::kAuto) {
        candidates.push_back(candidates[best]);
        candidates.back().descent = Descent::kNormalised;
        candidates.back().name += "_normalised";
      }
    }
    const TrainedCandidate& winner = trained[best];
    selection.recipe = candidates[best];
    selection.recipe.steps = winner.best_step;
    selection.recipe.change_factor = winner.change_factor;
    selection.winner = winner.best_step > 0 ? candidates[best].name : candidates[best].start.kind;
    selection.explanation = Explain(selection, winner);
    if (winner.best_step == 0) {
      selection.adapter = candidates[best].start;  // Exactly, without a fold's rounding.
    } else if (CrossValidates() ||
               (config_.options.refit && progress_->ElapsedSeconds() < budget * 0.75)) {
      progress_->Phase("training");
      ALMAGEST_TRY(selection.adapter, TrainRecipe(space_, known_, selection.recipe, config_,
                                                  RecipeRuns(known_.size()), progress_));
    } else {
      selection.adapter = winner.adapter;
    }
    return selection;
  }

 private:
  std::vector<Candidate> Candidates(const WhiteningBasis& basis, const Selection& selection,
                                    const LinearAdapter& identity) const {
    const int64_t steps = config_.options.steps_max;
    const LinearAdapter& whitened = selection.whitened;
    std::vector<Candidate> candidates;
    const auto add = [&](const char* name, Shape shape, bool both, const LinearAdapter& start) {
      candidates.push_back({name, shape, both, start, steps, 1, Descent::kAdam, 0, {}});
    };
    const Objective objective = config_.objective;
    if (objective == Objective::kAuto || objective == Objective::kTwoSidedLinear) {
      add("whitened_two_sided_linear", Shape::kFull, true, whitened);
      add("two_sided_linear", Shape::kFull, true, identity);
    }
    if (objective == Objective::kAuto) {
      add("whitened_query_linear", Shape::kFull, false, whitened);
      // One weight a principal axis: all that very little feedback may be able to tell.
      if (CrossValidates()) {
        add("whitened_spectrum", Shape::kDiagonal, true,
            basis.RotatedMap(selection.whitening_power));
      }
    }
    if (objective == Objective::kQueryLinear) {
      add("query_linear", Shape::kFull, false, identity);
    }
    if (objective == Objective::kQueryLowRank) {
      add("query_low_rank", Shape::kLowRank, false, identity);
    }
    if (objective == Objective::kQueryOrthogonal) {
      add("query_orthogonal", Shape::kOrthogonal, false, identity);
    }
    if (objective == Objective::kQueryDiagonal) {
      add("query_diagonal", Shape::kDiagonal, false, identity);
    }
    return candidates;
  }

  // Of the choice, in plain words and with its numbers.
  std::string Explain(const Selection& selection, const TrainedCandidate& winner) const {
    char text[640];
    const double start = winner.curve.empty() ? 0 : winner.curve.front().validation_ndcg_at_10;
    std::string others;
    for (const CandidateRecord& record : selection.candidates) {
      std::snprintf(text, sizeof text, "%s%s %.4f", others.empty() ? "" : ", ", record.name.c_str(),
                    record.validation_ndcg_at_10);
      others += text;
    }
    const std::string judge =
        CrossValidates() ? std::to_string(kFolds) + " folds of " + std::to_string(known_.size()) +
                               " judged queries, each fold judged by maps that did not see it"
                         : std::to_string(validation_.size()) + " validation queries";
    std::snprintf(
        text, sizeof text,
        "Chosen: %s, nDCG@10 %.4f (its start, before any step: %.4f) after %ld steps, the "
        "learned change times %g, measured on %s. Tried: ",
        selection.winner.c_str(), winner.validation_ndcg_at_10, start,
        static_cast<long>(winner.best_step), winner.change_factor, judge.c_str());
    return text + others + ".";
  }

  std::vector<int32_t> KnownRows() const {
    std::vector<int32_t> rows;
    for (const JudgedQuery& query : known_) rows.push_back(query.query);
    return rows;
  }

  // With few queries one validation set would choose by chance.
  bool CrossValidates() const { return known_.size() < kCrossValidationQueries; }

  // Trains on the train queries and validates on the others; or, with few queries, averages the
  // validation curves of several folds (the adapter is then to be trained by a refit).
  Result<TrainedCandidate> TryOut(const Candidate& candidate, double deadline) {
    if (!CrossValidates()) {
      return TrainCandidate(space_, corpus_->MakeData(train_, validation_), candidate,
                            config_.options, config_.seed, deadline, progress_);
    }
    std::vector<std::vector<LossPoint>> curves;
    std::vector<double> by_factor(std::size(kChangeFactors), 0.0);
    size_t longest = 0;
    for (int fold = 0; fold < kFolds; ++fold) {
      std::vector<JudgedQuery> train;
      std::vector<JudgedQuery> validation;
      for (size_t i = 0; i < known_.size(); ++i) {
        (fold_[i] == fold ? validation : train).push_back(known_[i]);
      }
      if (train.empty() || validation.empty()) continue;  // All in one group or two.
      ALMAGEST_TRY(TrainedCandidate result,
                   TrainCandidate(space_, corpus_->MakeData(train, validation), candidate,
                                  config_.options, config_.seed, deadline, progress_));
      // Of a fold that kept the start, any factor is the start.
      result.validation_by_factor.resize(by_factor.size(), result.validation_ndcg_at_10);
      for (size_t i = 0; i < by_factor.size(); ++i) by_factor[i] += result.validation_by_factor[i];
      curves.push_back(std::move(result.curve));
      longest = std::max(longest, curves.back().size());
    }
    TrainedCandidate average;
    average.adapter = candidate.start;
    for (size_t at = 0; at < longest; ++at) {
      LossPoint mean;
      for (const auto& curve : curves) {
        const LossPoint& point = curve[std::min(at, curve.size() - 1)];  // Stopped: stays there.
        mean.step = std::max(mean.step, point.step);
        mean.loss += point.loss / static_cast<double>(curves.size());
        mean.validation_ndcg_at_10 +=
            point.validation_ndcg_at_10 / static_cast<double>(curves.size());
      }
      if (at == 0 || mean.validation_ndcg_at_10 > average.validation_ndcg_at_10) {
        average.validation_ndcg_at_10 = mean.validation_ndcg_at_10;
        average.best_step = mean.step;
      }
      average.curve.push_back(mean);
    }
    for (double& value : by_factor) value /= static_cast<double>(curves.size());
    average.change_factor = BestFactor(by_factor);
    return average;
  }

  double ChoosePower(const WhiteningBasis& basis) {
    if (config_.options.whitening_power >= 0) return config_.options.whitening_power;
    const auto limit =
        static_cast<size_t>(std::clamp<int64_t>(kPowerScores / space_.document_count(), 100, 1000));
    std::vector<JudgedQuery> sample;
    const size_t stride = known_.size() / limit + 1;
    for (size_t i = 0; i < known_.size(); i += stride) sample.push_back(known_[i]);
    if (sample.size() < static_cast<size_t>(config_.options.queries_min)) return kDefaultPower;
    double best_power = kDefaultPower;
    double best = -1;
    for (const double power : kPowers) {
      const LinearAdapter map = basis.Map(power);
      const auto metrics = Evaluate(space_, map, map, sample, 10, true, progress_->MakeTick());
      const double quality = Mean(Column(metrics, &QueryMetrics::ndcg_at_10));
      if (quality > best) {
        best = quality;
        best_power = power;
      }
    }
    return best_power;
  }

  const VectorSpace& space_;
  const JobConfig& config_;
  Progress* progress_;
  std::vector<JudgedQuery> train_;
  std::vector<JudgedQuery> validation_;
  std::vector<JudgedQuery> known_;  // Both.
  std::vector<int> fold_;           // Of each known query; near-identical ones share it.
  std::optional<TrainingCorpus> corpus_;
};

void AddScaled(const std::vector<float>& values, double factor, std::vector<double>* sum) {
  sum->resize(values.size(), 0.0);
  for (size_t i = 0; i < values.size(); ++i) (*sum)[i] += factor * static_cast<double>(values[i]);
}

}  // namespace

int64_t RecipeRuns(size_t queries) {
  return std::clamp<int64_t>(kRunQueries / static_cast<int64_t>(queries + 1), 1, kRunsMax);
}

Result<LinearAdapter> TrainRecipe(const VectorSpace& space, std::span<const JudgedQuery> judged,
                                  const Candidate& recipe, const JobConfig& config, int64_t runs,
                                  Progress* progress) {
  const TrainingData data = TrainingCorpus(space, judged, config).MakeData(judged, {});
  LinearAdapter adapter;
  std::vector<float> LinearAdapter::*const parts[] = {
      &LinearAdapter::query_weight, &LinearAdapter::query_bias, &LinearAdapter::document_weight,
      &LinearAdapter::document_bias};
  std::vector<double> sums[std::size(parts)];
  for (int64_t run = 0; run < runs; ++run) {
    const uint64_t seed = run == 0 ? config.seed : Mix64(config.seed + static_cast<uint64_t>(run));
    ALMAGEST_TRY(TrainedCandidate result,
                 TrainCandidate(space, data, recipe, config.options, seed,
                                std::numeric_limits<double>::infinity(), progress));
    adapter = std::move(result.adapter);
    for (size_t i = 0; i < std::size(parts); ++i) {
      AddScaled(adapter.*parts[i], 1.0 / static_cast<double>(runs), &sums[i]);
    }
  }
  if (runs == 1) return adapter;
  for (size_t i = 0; i < std::size(parts); ++i) {
    (adapter.*parts[i]).assign(sums[i].begin(), sums[i].end());
  }
  return adapter;
}

Result<Selection> TrainAndSelect(const VectorSpace& space, std::span<const JudgedQuery> judged,
                                 const QuerySplit& split, const JobConfig& config,
                                 Progress* progress) {
  return Selector(space, judged, split, config, progress).Select();
}

}  // namespace almagest::training
