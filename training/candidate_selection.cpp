#include "training/candidate_selection.h"

#include <algorithm>
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
    corpus_ = ChooseCorpus(known_, space.document_count(), config.options.mining_documents_max,
                           config.seed);
    position_of_.assign(static_cast<size_t>(space.document_count()), -1);
    for (size_t i = 0; i < corpus_.size(); ++i) {
      position_of_[static_cast<size_t>(corpus_[i])] = static_cast<int32_t>(i);
    }
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
    std::vector<Candidate> candidates;
    const int64_t steps = config_.options.steps_max;
    if (config_.objective != Objective::kQueryLowRank) {
      candidates.push_back({"whitened_two_sided_linear", false, selection.whitened, steps, 0});
      candidates.push_back({"two_sided_linear", false, identity, steps, 0});
    }
    if (config_.objective != Objective::kTwoSidedLinear) {
      candidates.push_back({"query_low_rank", true, identity, steps, 0});
    }
    const double budget = config_.options.time_budget_seconds;
    std::optional<size_t> best;
    std::vector<TrainedCandidate> trained;
    for (size_t i = 0; i < candidates.size(); ++i) {
      candidates[i].candidates_left =
          static_cast<int64_t>(candidates.size() - i - 1) * (CrossValidates() ? kFolds : 1);
      progress_->Phase("training");
      // Each candidate gets its share of the budget, so that the last one is not starved.
      const double deadline =
          budget * static_cast<double>(i + 1) / static_cast<double>(candidates.size() + 1);
      ALMAGEST_TRY(TrainedCandidate result, TryOut(candidates[i], deadline));
      const std::string name = result.best_step > 0 ? candidates[i].name : candidates[i].start.kind;
      selection.candidates.push_back(
          {candidates[i].name, result.curve, result.best_step, result.validation_ndcg_at_10});
      trained.push_back(std::move(result));
      if (!best || trained[i].validation_ndcg_at_10 > trained[*best].validation_ndcg_at_10) {
        best = i;
        selection.winner = name;
      }
    }
    selection.adapter = std::move(trained[*best].adapter);
    const int64_t best_step = trained[*best].best_step;
    if (best_step == 0) {
      selection.adapter = candidates[*best].start;  // Exactly, without a fold's rounding.
    } else if (CrossValidates() ||
               (config_.options.refit && progress_->ElapsedSeconds() < budget * 0.75)) {
      candidates[*best].steps = best_step;
      candidates[*best].candidates_left = 0;
      progress_->Phase("training");
      ALMAGEST_TRY(TrainedCandidate result,
                   TrainCandidate(space_, MakeData(known_, {}), candidates[*best], config_.options,
                                  config_.seed, budget, progress_));
      selection.candidates.push_back(
          {candidates[*best].name + " (refit)", result.curve, result.best_step, 0});
      selection.adapter = std::move(result.adapter);
    }
    return selection;
  }

 private:
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
      return TrainCandidate(space_, MakeData(train_, validation_), candidate, config_.options,
                            config_.seed, deadline, progress_);
    }
    std::vector<std::vector<LossPoint>> curves;
    size_t longest = 0;
    for (int fold = 0; fold < kFolds; ++fold) {
      std::vector<JudgedQuery> train;
      std::vector<JudgedQuery> validation;
      for (size_t i = 0; i < known_.size(); ++i) {
        (fold_[i] == fold ? validation : train).push_back(known_[i]);
      }
      if (train.empty() || validation.empty()) continue;  // All in one group or two.
      ALMAGEST_TRY(TrainedCandidate result,
                   TrainCandidate(space_, MakeData(train, validation), candidate, config_.options,
                                  config_.seed, deadline, progress_));
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

  const VectorSpace& space_;
  const JobConfig& config_;
  Progress* progress_;
  std::vector<JudgedQuery> train_;
  std::vector<JudgedQuery> validation_;
  std::vector<JudgedQuery> known_;  // Both.
  std::vector<int> fold_;           // Of each known query; near-identical ones share it.
  std::vector<int32_t> corpus_;
  std::vector<int32_t> position_of_;  // Of each document row; -1: not in the corpus.
};

}  // namespace

Result<Selection> TrainAndSelect(const VectorSpace& space, std::span<const JudgedQuery> judged,
                                 const QuerySplit& split, const JobConfig& config,
                                 Progress* progress) {
  return Selector(space, judged, split, config, progress).Select();
}

}  // namespace almagest::training
