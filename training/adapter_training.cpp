#include "training/adapter_training.h"

#include <algorithm>
#include <cmath>

#include "storage/base/checksum.h"
#include "training/contrastive_loss.h"
#include "training/metrics.h"
#include "training/mine_negatives.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

// Small sets have short epochs; mining again sooner than this would learn nothing new.
constexpr int64_t kMiningInterval = 50;

constexpr double kAverageDecay = 0.97;  // About the last 33 steps.

// Seeded normal values that do not depend on LibTorch's generator (Box & Muller 1958).
std::vector<float> NormalValues(size_t count, double deviation, uint64_t seed) {
  std::vector<float> values(count);
  const auto uniform = [&](uint64_t i) {
    return (static_cast<double>(Mix64(seed ^ Mix64(i)) >> 11) + 0.5) * 0x1.0p-53;
  };
  for (size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(deviation * std::sqrt(-2 * std::log(uniform(2 * i))) *
                                   std::cos(2 * M_PI * uniform(2 * i + 1)));
  }
  return values;
}

// The learned part: P, or B and A, and a shift of the queries. What is validated and kept is the
// moving average of the parameters over the last steps, which is smoother than any single step
// (Polyak & Juditsky 1992).
class Residual {
 public:
  Residual(const Candidate& candidate, const TrainingOptions& options, int64_t d, uint64_t seed,
           const torch::Device& device)
      : low_rank_(candidate.low_rank) {
    const auto zeros = [&](torch::IntArrayRef shape) {
      return torch::zeros(shape, torch::dtype(torch::kFloat32).device(device));
    };
    if (low_rank_) {
      const int64_t rank = options.rank;
      const auto values = NormalValues(static_cast<size_t>(rank * d),
                                       1.0 / std::sqrt(static_cast<double>(d)), seed);
      parameters_ = {zeros({d}), ToTensor(values, {rank, d}, device), zeros({d, rank})};
    } else {
      parameters_ = {zeros({d}), zeros({d, d})};
    }
    average_ = Copy(parameters_);
    for (torch::Tensor& parameter : parameters_) parameter.set_requires_grad(true);
  }

  // By the present parameters, for the loss; `averaged` true: by their average.
  torch::Tensor Queries(const torch::Tensor& rows, Distance distance, bool averaged) const {
    const auto& p = averaged ? average_ : parameters_;
    const torch::Tensor change = low_rank_ ? rows.mm(p[1].t()).mm(p[2].t()) : rows.mm(p[1].t());
    return Normalised(rows + change + p[0], distance);
  }
  torch::Tensor Documents(const torch::Tensor& rows, Distance distance, bool averaged) const {
    const auto& p = averaged ? average_ : parameters_;
    return low_rank_ ? rows : Normalised(rows + rows.mm(p[1].t()), distance);
  }
  void UpdateAverage(int64_t step) {
    const torch::NoGradGuard no_grad;
    const double keep = std::min(kAverageDecay, static_cast<double>(step) / (10.0 + step));
    for (size_t i = 0; i < parameters_.size(); ++i) {
      average_[i].mul_(keep).add_(parameters_[i].detach(), 1 - keep);
    }
  }
  // Of the average: I + P and the shift, double precision on the CPU.
  torch::Tensor Matrix() const {
    const torch::Tensor product = low_rank_ ? average_[2].mm(average_[1]) : average_[1];
    return torch::eye(product.size(0), torch::kFloat64) + product.to(torch::kCPU, torch::kFloat64);
  }
  torch::Tensor Shift() const { return average_[0].to(torch::kCPU, torch::kFloat64); }
  const std::vector<torch::Tensor>& parameters() const { return parameters_; }
  std::vector<torch::Tensor> CopyAverage() const { return Copy(average_); }
  void RestoreAverage(const std::vector<torch::Tensor>& copies) { average_ = Copy(copies); }

 private:
  static std::vector<torch::Tensor> Copy(const std::vector<torch::Tensor>& tensors) {
    std::vector<torch::Tensor> copies;
    for (const torch::Tensor& tensor : tensors) copies.push_back(tensor.detach().clone());
    return copies;
  }

  bool low_rank_;
  std::vector<torch::Tensor> parameters_;  // Shift [D], then P [D, D] or A [rank, D], B [D, rank].
  std::vector<torch::Tensor> average_;
};

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
    validation_count_ =
        std::min(data.validation.size(), static_cast<size_t>(options.validation_queries_max));
    if (validation_count_ > 0) {
      validation_queries_ = gather(data.validation, validation_count_) / mean_query_length_;
    }
    temperature_ = options.temperature;
    if (distance_ == Distance::kDot) {
      temperature_ *=
          queries_.norm(2, 1).mean().item<double>() * documents_.norm(2, 1).mean().item<double>();
    }
  }

  bool validates() const { return validation_count_ > 0; }
  Residual& residual() { return residual_; }
  double mean_query_length() const { return mean_query_length_; }

  double Validate() {
    const torch::NoGradGuard no_grad;
    const torch::Tensor top = TopRows(residual_.Queries(validation_queries_, distance_, true),
                                      residual_.Documents(documents_, distance_, true), 10, {});
    const int64_t* data = top.data_ptr<int64_t>();
    double sum = 0;
    for (size_t i = 0; i < validation_count_; ++i) {
      const int64_t* row = data + static_cast<int64_t>(i) * top.size(1);
      const std::vector<int32_t> ranking(row, row + top.size(1));
      sum += MeasureRanking(ranking, data_.validation[i].documents).ndcg_at_10;
    }
    return sum / static_cast<double>(validation_count_);
  }

  std::vector<MinedQuery> Mine(const Tick& tick) {
    const torch::NoGradGuard no_grad;
    return MineNegatives(residual_.Queries(queries_, distance_, true),
                         residual_.Documents(documents_, distance_, true), data_.train,
                         options_.mining_depth, options_.positive_ratio, tick);
  }

  torch::Tensor Loss(const Batch& batch) const {
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
    return InfoNce(residual_.Queries(queries_.index_select(0, ToIndex(batch.queries, device_)),
                                     distance_, false),
                   residual_.Documents(documents_.index_select(0, column_index), distance_, false),
                   excluded, ToTensor(batch.weights, {rows}, device_), temperature_);
  }

 private:
  torch::Tensor Mask(const std::vector<uint8_t>& values, int64_t rows, int64_t columns) const {
    return torch::from_blob(const_cast<uint8_t*>(values.data()), {rows, columns}, torch::kUInt8)
        .to(device_, torch::kBool, /*non_blocking=*/false, /*copy=*/true);
  }

  const TrainingData& data_;
  const TrainingOptions& options_;
  Distance distance_;
  torch::Device device_;
  Residual residual_;
  torch::Tensor base_documents_;  // [corpus, D] as stored.
  torch::Tensor documents_;       // Mapped by the candidate's start.
  torch::Tensor queries_;
  torch::Tensor validation_queries_;
  size_t validation_count_ = 0;
  double mean_query_length_ = 1;  // What the mapped queries were divided by.
  double temperature_ = 1;
};

// The start and the learned part as one affine map on each side.
LinearAdapter Fold(const Candidate& candidate, const Residual& residual, double query_length) {
  LinearAdapter adapter = candidate.start;
  const int64_t d = adapter.dimension;
  const torch::Tensor learned = residual.Matrix();
  const auto fold = [&](std::vector<float>* weight, std::vector<float>* bias) {
    const auto matrix = ToTensor(*weight, {d, d}, torch::kCPU).to(torch::kFloat64);
    const auto vector = ToTensor(*bias, {d}, torch::kCPU).to(torch::kFloat64);
    *weight = ToVector(learned.mm(matrix));
    *bias = ToVector(learned.mv(vector));
  };
  fold(&adapter.query_weight, &adapter.query_bias);
  const std::vector<float> shift = ToVector(residual.Shift() * query_length);
  for (size_t i = 0; i < shift.size(); ++i) adapter.query_bias[i] += shift[i];
  if (candidate.low_rank) {
    adapter.kind = "query_low_rank";
  } else {
    fold(&adapter.document_weight, &adapter.document_bias);
    adapter.maps_documents = true;
    adapter.kind = "two_sided_linear";
  }
  return adapter;
}

}  // namespace

Result<TrainedCandidate> TrainCandidate(const VectorSpace& space, const TrainingData& data,
                                        const Candidate& candidate, const TrainingOptions& options,
                                        uint64_t seed, double deadline_seconds,
                                        Progress* progress) {
  Run run(space, data, candidate, options, seed);
  BatchSampler sampler(
      data.train, {options.batch_size, options.hard_negatives, options.random_negatives,
                   options.positive_ratio, static_cast<int64_t>(data.corpus.size()), Mix64(seed)});
  torch::optim::AdamW optimizer(
      run.residual().parameters(),
      torch::optim::AdamWOptions(candidate.low_rank ? options.low_rank_learning_rate
                                                    : options.learning_rate)
          .weight_decay(options.weight_decay));
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
      progress->Phase("training");
      mined_epoch = std::max<int64_t>(sampler.epoch(), 0);
      mined_step = step;
      ++refreshes;
    }
    optimizer.zero_grad();
    const torch::Tensor loss = run.Loss(sampler.Next(mined));
    const auto value = loss.item<double>();
    if (!std::isfinite(value)) {
      return Fail(ErrorCode::kInternal,
                  "the loss of candidate '" + candidate.name + "' is not a finite number at step " +
                      std::to_string(step) + "; a lower learning rate may help");
    }
    loss.backward();
    optimizer.step();
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
    if (last || without_gain >= options.patience) break;
  }
  run.residual().RestoreAverage(best);
  result.adapter = Fold(candidate, run.residual(), run.mean_query_length());
  return result;
}

}  // namespace almagest::training
