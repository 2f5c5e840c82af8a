#include "training/adapter_training.h"

#include <algorithm>
#include <cmath>

#include "storage/base/check.h"
#include "storage/base/checksum.h"
#include "training/adapter_fold.h"
#include "training/candidate_race.h"
#include "training/contrastive_loss.h"
#include "training/metrics.h"
#include "training/mine_negatives.h"
#include "training/query_topics.h"
#include "training/residual_map.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

// Small sets have short epochs; mining again sooner than this would learn nothing new.
constexpr int64_t kMiningInterval = 50;

constexpr int64_t kPoolDepth = 300;

constexpr double kNormalisedRate = 0.01;
// The graded loss learns its scale. It starts blunter than what suits a softmax: sharp sigmoids are
// flat nearly everywhere, and so little is learned until the scale has come down.
constexpr double kGradedStart = 4;
// Its scale and bias must move by units.
constexpr double kScaleRate = 0.01;
constexpr double kMomentum = 0.9;

// Of how unequal the loads of a mixture's experts are: 0 to their number less 1.
constexpr double kBalanceWeight = 0.5;

constexpr double kFactorGain = 0.001;  // Less is no reason to change what was learned.

class Run {
 public:
  Run(const VectorSpace& space, const TrainingData& data, const Candidate& candidate,
      const TrainingOptions& options, uint64_t seed)
      : data_(data),
        options_(options),
        distance_(space.distance()),
        device_(space.tensors().device),
        residual_(candidate, options, space.dimension(), seed, device_) {
    const torch::NoGradGuard no_grad;
    ALMAGEST_CHECK(candidate.start.query_residual.hidden == 0);
    base_documents_ = space.tensors().documents;
    if (static_cast<int64_t>(data.corpus.size()) != space.document_count()) {
      base_documents_ = base_documents_.index_select(0, ToIndex(data.corpus, device_));
    }
    documents_ = base_documents_;
    if (candidate.start.maps_documents) {
      documents_ = MapRows(base_documents_, candidate.start.document_weight,
                           candidate.start.document_bias, distance_);
    }
    const auto gather = [&](const auto& entries, size_t count) {
      std::vector<int32_t> rows;
      for (size_t i = 0; i < count; ++i) rows.push_back(entries[i].query);
      // Not scaled to length 1 one by one: the learned shift could not be folded into one affine
      // map then.
      return MapRows(space.tensors().queries.index_select(0, ToIndex(rows, device_)),
                     candidate.start.query_weight, candidate.start.query_bias, Distance::kDot);
    };
    queries_ = gather(data.train, data.train.size());
    if (distance_ == Distance::kCosine) {
      mean_query_length_ = std::max(queries_.norm(2, 1).mean().item<double>(), 1e-12);
      queries_ = queries_ / mean_query_length_;
    }
    residual_.PlaceExperts(queries_, seed);
    validation_count_ =
        std::min(data.validation.size(), static_cast<size_t>(options.validation_queries_max));
    if (validation_count_ > 0) {
      validation_queries_ = gather(data.validation, validation_count_) / mean_query_length_;
      ChooseValidationPool();
    }
    for (const TrainingQuery& query : data.train) {
      for (const float grade : query.positive_grades) {
        grade_max_ = std::max(grade_max_, static_cast<double>(grade));
      }
    }
    const auto columns = static_cast<double>(options.batch_size * (1 + options.hard_negatives) +
                                             options.random_negatives);
    base_temperature_ = candidate.temperature > 0 ? candidate.temperature : options.temperature;
    temperature_ = base_temperature_;
    if (distance_ == Distance::kDot) {
      temperature_ *=
          queries_.norm(2, 1).mean().item<double>() * documents_.norm(2, 1).mean().item<double>();
    }
    const auto learned = [&](double value) {
      return torch::full({}, value,
                         torch::dtype(torch::kFloat32).device(device_).requires_grad(true));
    };
    log_scale_ = learned(-std::log(kGradedStart * temperature_));
    bias_ = learned(-std::log(columns));
  }

  bool validates() const { return validation_count_ > 0; }
  ResidualMap& residual() { return residual_; }
  const ResidualMap& residual() const { return residual_; }
  const torch::Tensor& queries() const { return queries_; }  // Of training, mapped by the start.
  double mean_query_length() const { return mean_query_length_; }

  double Validate() {
    const torch::NoGradGuard no_grad;
    const torch::Tensor top =
        TopRows(residual_.Queries(validation_queries_, distance_, true),
                residual_.Documents(validation_documents_, distance_, true), 10, {});
    const int64_t* data = top.data_ptr<int64_t>();
    double sum = 0;
    double weights = 0;
    for (size_t i = 0; i < validation_count_; ++i) {
      const int64_t* row = data + static_cast<int64_t>(i) * top.size(1);
      const std::vector<int32_t> ranking(row, row + top.size(1));
      const double weight = validation_[i].Weight();
      sum += weight * MeasureRanking(ranking, validation_[i].documents).ndcg_at_10;
      weights += weight;
    }
    return sum / weights;
  }

  // With the average's change times each factor; the average itself is left as it is.
  std::vector<double> ValidateByFactor(Shape shape) {
    const std::vector<torch::Tensor> average = residual_.CopyAverage();
    std::vector<double> quality;
    for (const double factor : kChangeFactors) {
      residual_.RestoreAverage(ResidualMap::Scaled(shape, average, factor));
      quality.push_back(Validate());
    }
    residual_.RestoreAverage(average);
    return quality;
  }

  std::vector<MinedQuery> Mine(const Tick& tick) {
    const torch::NoGradGuard no_grad;
    return MineNegatives(residual_.Queries(queries_, distance_, true),
                         residual_.Documents(documents_, distance_, true), data_.train,
                         options_.mining_depth, options_.positive_ratio, tick);
  }

  NegativeHardness Hardness(std::span<const MinedQuery> mined) const {
    NegativeHardness hardness;
    hardness.Add(mined, base_temperature_, temperature_ / base_temperature_);
    return hardness;
  }

  torch::Tensor Loss(const Batch& batch) const {
    const torch::Tensor rows = queries_.index_select(0, ToIndex(batch.queries, device_));
    const torch::Tensor loss = RankingLoss(batch, rows);
    const torch::Tensor loads = residual_.ExpertLoads(rows, false);
    if (!loads.defined()) return loss;
    // E sum p^2 - 1: 0 where all experts get as much (after Shazeer et al. 2017).
    const auto experts = static_cast<double>(loads.size(0));
    return loss + kBalanceWeight * (experts * loads.square().sum() - 1);
  }

  // What each expert of a mixture gets of the training queries; empty for other shapes.
  std::vector<float> ExpertLoads() const {
    const torch::NoGradGuard no_grad;
    const torch::Tensor loads = residual_.ExpertLoads(queries_, true);
    return loads.defined() ? ToVector(loads) : std::vector<float>();
  }

  torch::Tensor RankingLoss(const Batch& batch, const torch::Tensor& query_rows) const {
    const auto rows = static_cast<int64_t>(batch.queries.size());
    const auto columns = static_cast<int64_t>(batch.columns.size());
    const torch::Tensor column_index = ToIndex(batch.columns, device_);
    torch::Tensor excluded = Mask(batch.excluded, rows, columns);
    {
      // Near copies of the positive are no negatives, unless users said so.
      const torch::NoGradGuard no_grad;
      const torch::Tensor base =
          Normalised(base_documents_.index_select(0, column_index), Distance::kCosine);
      torch::Tensor copies = base.narrow(0, 0, rows).mm(base.t()) > options_.duplicate_cosine;
      copies.fill_diagonal_(false);
      excluded = excluded.logical_or(
          copies.logical_and(Mask(batch.confirmed, rows, columns).logical_not()));
    }
    const torch::Tensor queries = residual_.Queries(query_rows, distance_, false);
    const torch::Tensor documents =
        residual_.Documents(documents_.index_select(0, column_index), distance_, false);
    const torch::Tensor weights = ToTensor(batch.weights, {rows}, device_);
    if (!options_.graded_loss) {
      return InfoNce(queries, documents, excluded, weights, temperature_, options_.trimmed_share);
    }
    const torch::Tensor targets = ToTensor(batch.grades, {rows, columns}, device_) / grade_max_;
    return Bixse(queries, documents, excluded, weights, targets, log_scale_.exp(), bias_,
                 options_.trimmed_share);
  }

  // Of the graded loss, which learns how scores become grades.
  std::vector<torch::Tensor> scale_parameters() const {
    if (!options_.graded_loss) return {};
    return {log_scale_, bias_};
  }

 private:
  // Few validation queries need not search everything at each validation: the documents that the
  // start ranks high for any of them, and all they judged, are enough to see what a map changes.
  void ChooseValidationPool() {
    validation_.assign(data_.validation.begin(),
                       data_.validation.begin() + static_cast<long>(validation_count_));
    validation_documents_ = documents_;
    const int64_t corpus = documents_.size(0);
    if (static_cast<int64_t>(validation_count_) * kPoolDepth * 2 > corpus) return;
    const torch::Tensor top =
        TopRows(Normalised(validation_queries_, distance_), documents_, kPoolDepth, {});
    std::vector<int32_t> position(static_cast<size_t>(corpus), -1);
    for (int64_t i = 0; i < top.numel(); ++i) {
      position[static_cast<size_t>(top.data_ptr<int64_t>()[i])] = 0;
    }
    for (const JudgedQuery& query : validation_) {
      for (const JudgedDocument& entry : query.documents) {
        position[static_cast<size_t>(entry.document)] = 0;
      }
    }
    std::vector<int32_t> pool;
    for (size_t i = 0; i < position.size(); ++i) {
      if (position[i] < 0) continue;
      position[i] = static_cast<int32_t>(pool.size());
      pool.push_back(static_cast<int32_t>(i));
    }
    validation_documents_ = documents_.index_select(0, ToIndex(pool, device_));
    for (JudgedQuery& query : validation_) {
      for (JudgedDocument& entry : query.documents) {
        entry.document = position[static_cast<size_t>(entry.document)];
      }
    }
  }

  torch::Tensor Mask(const std::vector<uint8_t>& values, int64_t rows, int64_t columns) const {
    return torch::from_blob(const_cast<uint8_t*>(values.data()), {rows, columns}, torch::kUInt8)
        .to(device_, torch::kBool, /*non_blocking=*/false, /*copy=*/true);
  }

  const TrainingData& data_;
  const TrainingOptions& options_;
  Distance distance_;
  torch::Device device_;
  ResidualMap residual_;
  torch::Tensor base_documents_;  // [corpus, D] as stored.
  torch::Tensor documents_;       // Mapped by the candidate's start.
  torch::Tensor queries_;
  torch::Tensor validation_queries_;
  torch::Tensor validation_documents_;   // Those of documents_ that are validated on, and
  std::vector<JudgedQuery> validation_;  // the judgements, with documents as positions in them.
  size_t validation_count_ = 0;
  double mean_query_length_ = 1;  // What the mapped queries were divided by.
  double base_temperature_ = 1;   // Of cosines.
  double temperature_ = 1;        // Of the scores.
  double grade_max_ = 1;
  torch::Tensor log_scale_;  // Of the graded loss; scalars.
  torch::Tensor bias_;
};

// The map by the rate of its shape; the two scalars of the graded loss by one of their own.
std::unique_ptr<torch::optim::Optimizer> MakeOptimizer(const Run& run, const Candidate& candidate,
                                                       const TrainingOptions& options) {
  using torch::optim::OptimizerParamGroup;
  std::vector<OptimizerParamGroup> groups = {OptimizerParamGroup(run.residual().parameters())};
  const std::vector<torch::Tensor> scale = run.scale_parameters();
  if (candidate.descent == Descent::kNormalised) {
    // Adam's step of a full map has the length rate * D; this one grows like its root.
    const double rate =
        kNormalisedRate * std::sqrt(static_cast<double>(candidate.start.dimension) / 100);
    if (!scale.empty()) groups.emplace_back(scale);
    return std::make_unique<torch::optim::SGD>(groups,
                                               torch::optim::SGDOptions(rate).momentum(kMomentum));
  }
  const double rate =
      candidate.shape == Shape::kFull ? options.learning_rate : options.low_rank_learning_rate;
  if (!scale.empty()) {
    groups.emplace_back(scale, std::make_unique<torch::optim::AdamWOptions>(
                                   torch::optim::AdamWOptions(kScaleRate).weight_decay(0)));
  }
  return std::make_unique<torch::optim::AdamW>(
      groups, torch::optim::AdamWOptions(rate).weight_decay(options.weight_decay));
}

}  // namespace

double BestFactor(std::span<const double> validation_by_factor) {
  size_t best = 0;
  for (size_t i = 0; i < std::size(kChangeFactors); ++i) {
    if (kChangeFactors[i] == 1) best = i;
  }
  const double as_learned = validation_by_factor[best];
  for (size_t i = 0; i < validation_by_factor.size(); ++i) {
    if (validation_by_factor[i] > std::max(validation_by_factor[best], as_learned + kFactorGain)) {
      best = i;
    }
  }
  return kChangeFactors[best];
}

Result<TrainedCandidate> TrainCandidate(const VectorSpace& space, const TrainingData& data,
                                        const Candidate& candidate, const TrainingOptions& options,
                                        uint64_t seed, double deadline_seconds,
                                        Progress* progress) {
  Run run(space, data, candidate, options, seed);
  BatchSampler sampler(
      data.train,
      {options.batch_size, options.hard_negatives, options.random_negatives, options.positive_ratio,
       static_cast<int64_t>(data.corpus.size()), Mix64(seed), options.graded_loss},
      FindTopics(run.queries(), options.topics, seed));
  const std::unique_ptr<torch::optim::Optimizer> optimizer = MakeOptimizer(run, candidate, options);
  TrainedCandidate result;
  std::vector<torch::Tensor> best = run.residual().CopyAverage();
  double latest_validation = 0;
  if (run.validates()) {
    latest_validation = result.validation_ndcg_at_10 = run.Validate();
    result.curve.push_back({0, 0, latest_validation});
  }
  std::vector<MinedQuery> mined;
  int64_t mined_epoch = -2;  // Below the sampler's first epoch, so that it begins with mining.
  int64_t mined_step = -kMiningInterval;
  int64_t refreshes = 0;
  int64_t without_gain = 0;
  double loss_sum = 0;
  int64_t loss_count = 0;
  const double started = progress->ElapsedSeconds();
  for (int64_t step = 1; step <= candidate.steps; ++step) {
    if (options.hard_negatives > 0 && refreshes < options.mining_refreshes &&
        sampler.epoch() > mined_epoch && step - mined_step >= kMiningInterval) {
      progress->Phase("mining");
      mined = run.Mine(progress->MakeTick());
      result.hardness = run.Hardness(mined);
      progress->Phase("training");
      mined_epoch = std::max<int64_t>(sampler.epoch(), 0);
      mined_step = step;
      ++refreshes;
    }
    optimizer->zero_grad();
    const torch::Tensor loss = run.Loss(sampler.Next(mined));
    const auto value = loss.item<double>();
    if (!std::isfinite(value)) {
      return Fail(ErrorCode::kInternal,
                  "the loss of candidate '" + candidate.name + "' is not a finite number at step " +
                      std::to_string(step) + "; a lower learning rate may help");
    }
    loss.backward();
    if (candidate.descent == Descent::kNormalised) {
      const torch::NoGradGuard no_grad;
      for (const auto& group : optimizer->param_groups()) {
        for (const torch::Tensor& parameter : group.params()) {
          parameter.mutable_grad().div_(parameter.grad().norm().clamp_min(1e-12));
        }
      }
    }
    optimizer->step();
    run.residual().UpdateAverage(step);
    loss_sum += value;
    ++loss_count;
    const bool last = step == candidate.steps || progress->ElapsedSeconds() > deadline_seconds;
    if (last || step % options.evaluate_every == 0) {
      if (run.validates()) latest_validation = run.Validate();
      result.curve.push_back({step, loss_sum / static_cast<double>(loss_count), latest_validation});
      loss_sum = 0;
      loss_count = 0;
      if (!run.validates() || latest_validation > result.validation_ndcg_at_10) {
        result.validation_ndcg_at_10 = latest_validation;
        result.best_step = step;
        best = run.residual().CopyAverage();
        without_gain = 0;
      } else {
        ++without_gain;
      }
    }
    const double pace = (progress->ElapsedSeconds() - started) / static_cast<double>(step);
    progress->Step({step, candidate.steps, value, latest_validation,
                    pace * static_cast<double>(candidate.steps - step +
                                               candidate.candidates_left * candidate.steps)});
    if (last || without_gain >= options.patience || IsBehind(result.curve, candidate.rival)) break;
  }
  result.change_factor = candidate.change_factor;
  if (run.validates() && result.best_step > 0) {
    run.residual().RestoreAverage(best);
    result.validation_by_factor = run.ValidateByFactor(candidate.shape);
    result.change_factor = BestFactor(result.validation_by_factor);
  }
  run.residual().RestoreAverage(ResidualMap::Scaled(candidate.shape, best, result.change_factor));
  result.expert_loads = run.ExpertLoads();
  result.adapter = FoldAdapter(candidate, run.residual(), run.mean_query_length());
  return result;
}

}  // namespace almagest::training
