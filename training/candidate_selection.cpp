#include "training/candidate_selection.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

#include "storage/base/checksum.h"
#include "training/candidate_explanation.h"
#include "training/evaluation.h"
#include "training/recipe_training.h"
#include "training/space_geometry.h"
#include "training/training_corpus.h"

namespace almagest::training {
namespace {

constexpr char kMatchedWhitening[] = "matched_whitening";
constexpr char kMatchedNeighbours[] = "matched_neighbours";
constexpr char kMatchedAnswers[] = "matched_answers";
constexpr double kDefaultPower = 0.75;
constexpr double kPowers[] = {0.375, 0.5, 0.75};
constexpr double kMatchedPowers[] = {0.5, 0.75, 1};
constexpr int64_t kMatchedDimensions = 4096;  // The axes of more take minutes, in every fold.
constexpr size_t kCrossValidationQueries = 400;
constexpr int kFolds = 5;
constexpr double kChance = 0.15;  // Standard error of a difference, times root(queries).
constexpr size_t kHiddenLayerQueries = 2000;  // 4,900 gained by them, 560 did not (decision 9).
constexpr double kTuningTimeShare = 0.7;      // Of the time budget.
constexpr double kNoDeadline = std::numeric_limits<double>::infinity();
constexpr int64_t kPowerScores = 35'000'000;  // Query-document scores a tried power may cost.

std::vector<JudgedQuery> Pick(std::span<const JudgedQuery> judged, std::span<const size_t> rows) {
  std::vector<JudgedQuery> picked;
  for (const size_t row : rows) picked.push_back(judged[row]);
  return picked;
}

class Selector {
 public:
  Selector(const VectorSpace& space, std::span<const JudgedQuery> judged, const QuerySplit& split,
           const NeighbourLists& lists, const JobConfig& config, Progress* progress)
      : space_(space),
        lists_(lists),
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
    ALMAGEST_TRY(const Candidate matched, ChooseMatched(basis, selection.whitened));
    std::vector<Candidate> candidates = Candidates(basis, selection, identity, matched);
    const double budget = config_.options.time_budget_seconds;
    const double begun = std::min(progress_->ElapsedSeconds(), budget);
    std::vector<TrainedCandidate> trained;
    size_t best = 0;
    for (size_t i = 0; i < candidates.size(); ++i) {
      Candidate candidate = candidates[i];
      const size_t left = candidates.size() - i - 1;
      candidate.candidates_left = static_cast<int64_t>(left) * (CrossValidates() ? kFolds : 1);
      if (!CrossValidates() && i > 0) candidate.rival = trained[best].curve;
      progress_->Phase("training");
      // Each candidate gets its share of what the start left, so that none is starved.
      const size_t to_come = LearnsHiddenLayers() && candidates.back().first == nullptr ? 4 : 2;
      const double deadline = begun + (budget - begun) * static_cast<double>(i + 1) /
                                          static_cast<double>(candidates.size() + to_come);
      ALMAGEST_TRY(TrainedCandidate result, TryOut(candidate, deadline));
      selection.candidates.push_back(Record(candidate, result));
      trained.push_back(std::move(result));
      if (Beats(candidate, trained[i], candidates[best], trained[best], matched)) best = i;
      if (left > 0 || candidate.first || trained[best].best_step == 0 ||
          config_.objective != Objective::kAuto) {
        continue;
      }
      // The best full map once more, by the other descent. Then, since many queries may want more
      // than one linear map, hidden layers on top of the best.
      if (candidate.descent == Descent::kAdam && candidates[best].shape == Shape::kFull) {
        candidates.push_back(candidates[best]);
        candidates.back().descent = Descent::kNormalised;
        candidates.back().name += "_normalised";
      } else if (LearnsHiddenLayers()) {
        const size_t linear = best;
        for (const Shape shape : {Shape::kMixture, Shape::kMlp}) {
          candidates.push_back(OnTopOf(candidates[linear], trained[linear], shape));
        }
      }
    }
    if (config_.options.tunes_temperature && trained[best].best_step > 0) {
      ALMAGEST_TRY_VOID(TuneTemperature(begun + kTuningTimeShare * (budget - begun), &selection,
                                        &candidates[best], &trained[best]));
    }
    const TrainedCandidate& winner = trained[best];
    selection.recipe = candidates[best];
    selection.recipe.steps = winner.best_step;
    selection.recipe.change_factor = winner.change_factor;
    selection.winner = winner.best_step > 0                 ? candidates[best].name
                       : selection.recipe.answers           ? kMatchedAnswers
                       : selection.recipe.neighbours        ? kMatchedNeighbours
                       : selection.recipe.matched_power > 0 ? kMatchedWhitening
                                                            : candidates[best].start.kind;
    selection.explanation = ExplainChoice(
        selection, winner,
        CrossValidates() ? std::to_string(kFolds) + " folds of " + std::to_string(known_.size()) +
                               " judged queries, each fold judged by maps that did not see it"
                         : std::to_string(validation_.size()) + " validation queries",
        Chance());
    if (!selection.recipe.Learns()) {
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
  // The matched whitening map that starts best, with or without what the neighbours teach; of power
  // 0 if plain whitening does. Only with few queries: from many, descent learns more where its
  // start has not seen them (scifact, 591 train queries, validated: .585, from the matched start
  // .522).
  Result<Candidate> ChooseMatched(const WhiteningBasis& basis, const LinearAdapter& whitened) {
    const Objective objective = config_.objective;
    Candidate chosen;
    if (!CrossValidates() || space_.dimension() > kMatchedDimensions ||
        (objective != Objective::kAuto && objective != Objective::kTwoSidedLinear)) {
      return chosen;
    }
    std::vector<std::shared_ptr<const LinearAdapter>> partners = {nullptr};
    if (!lists_.empty()) {
      ALMAGEST_TRY(LinearAdapter learned,
                   LearnFromNeighbours(space_, lists_, whitened, config_, progress_));
      partners.push_back(std::make_shared<const LinearAdapter>(std::move(learned)));
    }
    for (int fold = 0; fold < kFolds; ++fold) {
      matched_.push_back(basis.Matched(space_, Fold(fold, false)));
    }
    Candidate candidate;
    candidate.start = whitened;
    ALMAGEST_TRY(TrainedCandidate tried, TryOut(candidate, kNoDeadline));
    double best = tried.validation_ndcg_at_10;
    for (const auto& partner : partners) {
      candidate.neighbours = partner;
      for (const bool answers : {false, true}) {
        if (answers && partner == nullptr) continue;
        candidate.answers = answers;
        for (const double power : kMatchedPowers) {
          candidate.matched_power = power;
          ALMAGEST_TRY(tried, TryOut(candidate, kNoDeadline));
          if (tried.validation_ndcg_at_10 <= best) continue;
          best = tried.validation_ndcg_at_10;
          chosen = candidate;
        }
      }
    }
    return chosen;
  }

  std::vector<Candidate> Candidates(const WhiteningBasis& basis, const Selection& selection,
                                    const LinearAdapter& identity, const Candidate& matched) const {
    const LinearAdapter& whitened = selection.whitened;
    const bool matches = matched.matched_power > 0;
    const std::string prefix = matches ? "matched_" : "whitened_";
    std::vector<Candidate> candidates;
    const auto add = [&](const std::string& name, Shape shape, bool both,
                         const LinearAdapter& start, bool from_matched = false,
                         bool rotated = false) {
      Candidate candidate;
      candidate.name = name;
      candidate.shape = shape;
      candidate.maps_documents = both;
      candidate.start = start;
      candidate.rotated = rotated;
      candidate.steps = config_.options.steps_max;
      candidate.temperature = config_.options.temperature;
      candidate.matched_power = from_matched ? matched.matched_power : 0;
      if (from_matched) {
        candidate.neighbours = matched.neighbours;
        candidate.answers = matched.answers;
      }
      candidates.push_back(std::move(candidate));
    };
    const Objective objective = config_.objective;
    if (objective == Objective::kAuto || objective == Objective::kTwoSidedLinear) {
      add(prefix + "two_sided_linear", Shape::kFull, true, whitened, matches);
      add("two_sided_linear", Shape::kFull, true, identity);
      if (matches) add("whitened_two_sided_linear", Shape::kFull, true, whitened);
    }
    if (objective == Objective::kAuto) {
      if (matches) add("whitened_query_linear", Shape::kFull, false, whitened);
      add(prefix + "query_linear", Shape::kFull, false, whitened, matches);
      // One weight a principal axis: all that very little feedback may be able to tell.
      if (CrossValidates()) {
        add(prefix + "spectrum", Shape::kDiagonal, true,
            basis.RotatedMap(selection.whitening_power), matches, true);
      }
    }
    static constexpr std::pair<Objective, Shape> kOfQueriesAlone[] = {
        {Objective::kQueryDiagonal, Shape::kDiagonal},
        {Objective::kQueryLowRank, Shape::kLowRank},
        {Objective::kQueryOrthogonal, Shape::kOrthogonal},
        {Objective::kQueryLinear, Shape::kFull},
        {Objective::kQueryMlp, Shape::kMlp},
        {Objective::kQueryMixture, Shape::kMixture}};
    for (const auto& [asked, shape] : kOfQueriesAlone) {
      if (objective == asked) add(ObjectiveName(asked), shape, false, identity);
    }
    return candidates;
  }

  static CandidateRecord Record(const Candidate& candidate, const TrainedCandidate& result) {
    return {
        candidate.name,       result.curve,          result.best_step, result.validation_ndcg_at_10,
        result.change_factor, candidate.temperature, result.hardness,  result.expert_loads};
  }

  // The winner once more at half the temperature and at twice, and on in the direction that
  // validates better, until it does not.
  Result<> TuneTemperature(double deadline, Selection* selection, Candidate* best,
                           TrainedCandidate* trained) {
    const Candidate winner = *best;
    for (const double factor : {0.5, 2.0}) {
      Candidate candidate = winner;
      while (progress_->ElapsedSeconds() < deadline) {
        candidate.temperature *= factor;
        if (std::clamp(candidate.temperature, 0.01, 0.25) != candidate.temperature) break;
        char name[96];
        std::snprintf(name, sizeof name, "%s_%g", winner.name.c_str(), candidate.temperature);
        candidate.name = name;
        ALMAGEST_TRY(TrainedCandidate result, TryOut(candidate, deadline));
        selection->candidates.push_back(Record(candidate, result));
        if (result.validation_ndcg_at_10 <= trained->validation_ndcg_at_10) break;
        *best = candidate;
        *trained = std::move(result);
      }
      if (best->temperature != winner.temperature) break;  // The other way would lead back.
    }
    return {};
  }

  std::vector<int32_t> KnownRows() const {
    std::vector<int32_t> rows;
    for (const JudgedQuery& query : known_) rows.push_back(query.query);
    return rows;
  }

  bool LearnsHiddenLayers() const {
    return config_.objective == Objective::kAuto && known_.size() >= kHiddenLayerQueries;
  }

  // Whether a candidate is preferred to the best so far. What costs searches more must lead by a
  // standard error, also over its start, which is a map below with the change scaled.
  bool Beats(const Candidate& candidate, const TrainedCandidate& result, const Candidate& best,
             const TrainedCandidate& of_best, const Candidate& matched) const {
    double bar = of_best.validation_ndcg_at_10;
    if (candidate.first && !best.first) {
      bar = std::max(bar, result.curve.front().validation_ndcg_at_10) +
            kChance / std::sqrt(static_cast<double>(validation_.size()));
    } else if (matched.matched_power > 0 && candidate.matched_power == 0) {
      bar += Chance();
    }
    return result.validation_ndcg_at_10 > bar;
  }

  // About a standard error of the difference between two maps. Of what is closer, the start from
  // judged pairs is preferred, having less to be lucky with (Breiman et al. 1984).
  double Chance() const { return kChance / std::sqrt(static_cast<double>(known_.size())); }

  // With few queries one validation set would choose by chance.
  bool CrossValidates() const { return known_.size() < kCrossValidationQueries; }

  // Trains on the train queries, validates on the others; or, with few queries, averages the curves
  // of several folds (the adapter is then to be trained by a refit).
  Result<TrainedCandidate> TryOut(Candidate candidate, double deadline) {
    if (!CrossValidates()) {
      return TrainCandidate(space_, corpus_->MakeData(train_, validation_), candidate,
                            config_.options, config_.seed, deadline, progress_);
    }
    std::vector<std::vector<LossPoint>> curves;
    std::vector<double> by_factor(std::size(kChangeFactors), 0.0);
    size_t longest = 0;
    NegativeHardness hardness;
    TrainedCandidate average;
    for (int fold = 0; fold < kFolds; ++fold) {
      const std::vector<JudgedQuery> train = Fold(fold, false);
      const std::vector<JudgedQuery> validation = Fold(fold, true);
      if (train.empty() || validation.empty()) continue;  // All in one group or two.
      if (candidate.matched_power > 0) {
        candidate.start =
            MatchedStart(matched_[static_cast<size_t>(fold)], candidate, space_, train);
      }
      ALMAGEST_TRY(TrainedCandidate result,
                   TrainCandidate(space_, corpus_->MakeData(train, validation), candidate,
                                  config_.options, config_.seed, deadline, progress_));
      // Of a fold that kept the start, any factor is the start.
      result.validation_by_factor.resize(by_factor.size(), result.validation_ndcg_at_10);
      for (size_t i = 0; i < by_factor.size(); ++i) by_factor[i] += result.validation_by_factor[i];
      curves.push_back(std::move(result.curve));
      longest = std::max(longest, curves.back().size());
      hardness.Add(result.hardness);
      average.expert_loads = result.expert_loads;
    }
    average.hardness = hardness;
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

  // The known queries of the fold, or all the others.
  std::vector<JudgedQuery> Fold(int fold, bool inside) const {
    std::vector<JudgedQuery> queries;
    for (size_t i = 0; i < known_.size(); ++i) {
      if ((fold_[i] == fold) == inside) queries.push_back(known_[i]);
    }
    return queries;
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
  const NeighbourLists& lists_;
  const JobConfig& config_;
  Progress* progress_;
  std::vector<JudgedQuery> train_;
  std::vector<JudgedQuery> validation_;
  std::vector<JudgedQuery> known_;  // Both.
  std::vector<int> fold_;           // Of each known query; near-identical ones share it.
  std::optional<TrainingCorpus> corpus_;
  std::vector<WhiteningBasis> matched_;  // To all folds but one, for each; or none.
};

}  // namespace

Result<Selection> TrainAndSelect(const VectorSpace& space, std::span<const JudgedQuery> judged,
                                 const QuerySplit& split, const NeighbourLists& lists,
                                 const JobConfig& config, Progress* progress) {
  return Selector(space, judged, split, lists, config, progress).Select();
}

}  // namespace almagest::training
