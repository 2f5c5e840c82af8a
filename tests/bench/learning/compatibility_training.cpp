#include "tests/bench/learning/compatibility_training.h"

#include <algorithm>
#include <numeric>
#include <random>

#include "storage/base/checksum.h"
#include "tests/bench/learning/compatibility_loss.h"
#include "tests/bench/learning/compatibility_map.h"
#include "training/batch_sampler.h"
#include "training/contrastive_loss.h"
#include "training/metrics.h"
#include "training/vector_space_tensors.h"

namespace almagest::bench {
namespace {

using training::JudgedQuery;
using training::ToIndex;

constexpr double kInfoNceTemperature = 0.05;
constexpr int64_t kPairs = 128;
constexpr int64_t kRandomNegatives = 64;
constexpr int64_t kValidateEvery = 50;
constexpr int64_t kPatienceSteps = 100;
constexpr size_t kValidationMax = 300;
constexpr uint64_t kValidationShare = 5;  // One of five.
constexpr size_t kOldVersionsMax = 3;     // In one step's terms.
constexpr int64_t kClassesMax = 256;
constexpr int64_t kClassSize = 10;  // Documents of a class, on average, at least.

torch::Tensor RowsOf(const torch::Tensor& rows, std::span<const JudgedQuery> judged) {
  std::vector<int32_t> index;
  for (const JudgedQuery& query : judged) index.push_back(query.query);
  return rows.index_select(0, ToIndex(index, torch::kCPU));
}

class VersionTraining {
 public:
  VersionTraining(const CompatibilityTask& task, const CompatibilityArm& arm,
                  std::span<const MappedVersion> older)
      : task_(task),
        arm_(arm),
        older_(older),
        queries_(task.space.tensors().queries),
        documents_(task.space.tensors().documents),
        map_(arm.shape, arm.maps_documents, task.space.dimension(), task.seed),
        random_(Mix64(task.seed + older.size())) {
    if (arm.warm_start && older.size() > 1) map_.Restore(older.back().parameters);
    const std::vector<JudgedQuery>& all = task.validation[older.size() - 1];
    validation_.assign(all.begin(),
                       all.begin() + static_cast<long>(std::min(all.size(), kValidationMax)));
    const PseudoClasses& classes = task.classes;
    cluster_ = ToIndex(classes.cluster, torch::kCPU);
    const std::vector<int64_t> shape = {classes.count, task.space.dimension()};
    prototypes_ =
        training::ToTensor(arm.simplex ? classes.simplex : classes.centroids, shape, torch::kCPU);
    mean_ = training::ToTensor(classes.mean, {task.space.dimension()}, torch::kCPU);
    if (!arm.simplex) mean_.zero_();
  }

  MappedVersion Run(double learning_rate) {
    const std::vector<training::TrainingQuery> learned = Learned();
    training::BatchSampler sampler(
        learned, {kPairs, 0, kRandomNegatives, 1, task_.space.document_count(), random_()});
    torch::optim::Adam optimizer(map_.parameters(), torch::optim::AdamOptions(learning_rate));
    std::vector<torch::Tensor> best = map_.Copy();
    int64_t best_step = 0;
    double best_quality = Validate();
    for (int64_t step = 1; step <= task_.steps && step <= best_step + kPatienceSteps; ++step) {
      const training::Batch batch = sampler.Next({});
      optimizer.zero_grad();
      Loss(batch, learned).backward();
      optimizer.step();
      if (step % kValidateEvery != 0 && step != task_.steps) continue;
      const double now = Validate();
      if (now <= best_quality) continue;
      best_quality = now;
      best_step = step;
      best = map_.Copy();
    }
    map_.Restore(best);
    return Mapped(best_step, best_quality);
  }

 private:
  std::vector<training::TrainingQuery> Learned() const {
    std::vector<int32_t> position(static_cast<size_t>(task_.space.document_count()));
    std::iota(position.begin(), position.end(), 0);
    std::vector<training::TrainingQuery> learned;
    for (const JudgedQuery& query : task_.train[older_.size() - 1]) {
      learned.push_back(training::MakeTrainingQuery(query, position));
    }
    return learned;
  }

  double Validate() const {
    const torch::NoGradGuard no_grad;
    const torch::Tensor queries = map_.Queries(RowsOf(queries_, validation_));
    const auto quality = [&](const torch::Tensor& documents) {
      return training::Mean(NdcgOf(queries.mm(documents.t()), validation_));
    };
    const double own = quality(map_.Documents(documents_));
    if (!arm_.LooksBack()) return own;
    double across = 0;
    for (const MappedVersion& old : older_) across += quality(old.documents);
    return (own + across / static_cast<double>(older_.size())) / 2;
  }

  // All old versions, or the base, the last and one between, drawn anew for each step.
  std::vector<size_t> DrawOldVersions() {
    std::vector<size_t> drawn(older_.size());
    std::iota(drawn.begin(), drawn.end(), size_t{0});
    if (drawn.size() > kOldVersionsMax) {
      drawn = {0, 1 + random_() % (older_.size() - 2), older_.size() - 1};
    }
    return drawn;
  }

  torch::Tensor Loss(const training::Batch& batch,
                     std::span<const training::TrainingQuery> learned) {
    const auto rows = static_cast<int64_t>(batch.queries.size());
    std::vector<int32_t> query_rows;
    for (const int32_t index : batch.queries) {
      query_rows.push_back(learned[static_cast<size_t>(index)].query);
    }
    const torch::Tensor query_index = ToIndex(query_rows, torch::kCPU);
    const torch::Tensor columns = ToIndex(batch.columns, torch::kCPU);
    const torch::Tensor excluded =
        torch::tensor(batch.excluded, torch::kUInt8).view({rows, -1}).to(torch::kBool);
    const torch::Tensor weights = torch::tensor(batch.weights);
    const torch::Tensor base_queries = queries_.index_select(0, query_index);
    const torch::Tensor base_documents = documents_.index_select(0, columns);
    const torch::Tensor queries = map_.Queries(base_queries);
    const torch::Tensor documents = map_.Documents(base_documents);
    const auto contrast = [&](const torch::Tensor& against) {
      return training::InfoNce(queries, against, excluded, weights, kInfoNceTemperature);
    };
    if (arm_.mixes_versions) {
      return MixedLoss(queries, documents, query_index, columns, contrast);
    }

    torch::Tensor loss = contrast(documents);
    if (arm_.anchor_weight > 0) {
      const torch::Tensor base = torch::cat({base_documents, base_queries});
      const torch::Tensor logits =
          AnchorLogits(torch::cat({documents, queries}), mean_, prototypes_);
      const torch::Tensor base_logits = AnchorLogits(base, mean_, prototypes_);
      // Queries belong to the nearest prototype.
      const auto labels = [&] {
        return torch::cat({cluster_.index_select(0, columns),
                           base_logits.narrow(0, columns.size(0), rows).argmax(1)});
      };
      loss = loss + arm_.anchor_weight * (arm_.anchor == Anchor::kSoft
                                              ? SoftAnchor(base_logits, logits)
                                              : HardAnchor(logits, labels()));
    }
    if (arm_.contrast_weight > 0 || arm_.old_documents_weight > 0) {
      const std::vector<size_t> old_versions = DrawOldVersions();
      const double share = 1.0 / static_cast<double>(old_versions.size());
      for (const size_t k : old_versions) {
        const torch::Tensor stored = older_[k].documents.index_select(0, columns);
        if (arm_.contrast_weight > 0) {
          loss =
              loss + arm_.contrast_weight * share *
                         HigherOrderContrast(stored, documents, cluster_.index_select(0, columns));
        }
        if (arm_.old_documents_weight > 0) {
          loss = loss + arm_.old_documents_weight * share * contrast(stored);
        }
      }
    }
    return loss;
  }

  // Half of the documents by this version, the others by old ones, drawn for each.
  template <class Contrast>
  torch::Tensor MixedLoss(const torch::Tensor& queries, const torch::Tensor& documents,
                          const torch::Tensor& query_index, const torch::Tensor& columns,
                          const Contrast& contrast) {
    const int64_t count = columns.size(0);
    const int64_t rows = queries.size(0);
    std::vector<int32_t> version(static_cast<size_t>(count), -1);
    for (int32_t& drawn : version) {
      if (random_() % 2 == 0) drawn = static_cast<int32_t>(random_() % older_.size());
    }
    const torch::Tensor versions = ToIndex(version, torch::kCPU);
    torch::Tensor mixed = documents;
    for (size_t k = 0; k < older_.size(); ++k) {
      mixed = torch::where(versions.eq(static_cast<int64_t>(k)).unsqueeze(1),
                           older_[k].documents.index_select(0, columns), mixed);
    }
    torch::Tensor loss = contrast(mixed);
    if (arm_.hinge_weight > 0) {
      // Row i's positive is column i.
      const torch::Tensor positives = mixed.narrow(0, 0, rows);
      const torch::Tensor before =
          (older_.back().queries.index_select(0, query_index) * positives).sum(1);
      const torch::Tensor drop = torch::relu(before - (queries * positives).sum(1));
      const torch::Tensor is_old = versions.narrow(0, 0, rows).ge(0).to(torch::kFloat32);
      loss = loss + arm_.hinge_weight / kInfoNceTemperature * (drop * is_old).sum() /
                        is_old.sum().clamp_min(1);
    }
    return loss;
  }

  MappedVersion Mapped(int64_t best_step, double quality) const {
    const torch::NoGradGuard no_grad;
    MappedVersion version;
    version.queries = map_.Queries(queries_);
    version.documents = map_.Documents(documents_);
    version.matrix = map_.DocumentMatrix();
    version.lengths = documents_.mm(version.matrix.t()).norm(2, 1).clamp_min(1e-12);
    version.parameters = map_.Copy();
    version.best_step = best_step;
    version.validation = quality;
    return version;
  }

  const CompatibilityTask& task_;
  const CompatibilityArm& arm_;
  const std::span<const MappedVersion> older_;
  const torch::Tensor& queries_;
  const torch::Tensor& documents_;
  std::vector<JudgedQuery> validation_;
  CompatibilityMap map_;
  std::mt19937_64 random_;
  torch::Tensor cluster_;
  torch::Tensor prototypes_;
  torch::Tensor mean_;
};

}  // namespace

std::vector<double> NdcgOf(const torch::Tensor& scores, std::span<const JudgedQuery> judged) {
  const int64_t depth = std::min<int64_t>(10, scores.size(1));
  const torch::Tensor top = std::get<1>(scores.topk(depth, 1)).to(torch::kInt32).contiguous();
  std::vector<double> ndcg;
  for (size_t i = 0; i < judged.size(); ++i) {
    const int32_t* first = top.data_ptr<int32_t>() + static_cast<int64_t>(i) * depth;
    ndcg.push_back(
        training::MeasureRanking({first, static_cast<size_t>(depth)}, judged[i].documents)
            .ndcg_at_10);
  }
  return ndcg;
}

CompatibilityTask MakeTask(const training::VectorSpace& space, std::span<const JudgedQuery> train,
                           size_t versions, int64_t steps, uint64_t seed) {
  std::vector<std::pair<uint64_t, size_t>> order;
  for (size_t i = 0; i < train.size(); ++i) {
    order.emplace_back(Mix64(seed ^ Mix64(static_cast<uint64_t>(train[i].query))), i);
  }
  std::ranges::sort(order);
  CompatibilityTask task{space, {}, {}, {}, steps, seed};
  for (size_t version = 1; version <= versions; ++version) {
    std::vector<JudgedQuery> learned;
    std::vector<JudgedQuery> held_back;
    for (size_t at = 0; at < order.size() * version / versions; ++at) {
      const bool is_held_back = Mix64(order[at].first) % kValidationShare == 0;
      (is_held_back ? held_back : learned).push_back(train[order[at].second]);
    }
    task.train.push_back(std::move(learned));
    task.validation.push_back(std::move(held_back));
  }
  const torch::Tensor& documents = space.tensors().documents;
  const int64_t count =
      std::min({kClassesMax, space.dimension() / 2, space.document_count() / kClassSize});
  task.classes =
      FindPseudoClasses({documents.data_ptr<float>(), static_cast<size_t>(documents.numel())},
                        space.dimension(), std::max<int64_t>(2, count), seed);
  return task;
}

MappedVersion BaseVersion(const training::VectorSpace& space) {
  MappedVersion version;
  version.queries = space.tensors().queries;
  version.documents = space.tensors().documents;
  version.matrix = torch::eye(space.dimension());
  version.lengths = torch::ones({space.document_count()});
  return version;
}

MappedVersion TrainVersion(const CompatibilityTask& task, const CompatibilityArm& arm,
                           std::span<const MappedVersion> older, double learning_rate) {
  return VersionTraining(task, arm, older).Run(learning_rate);
}

}  // namespace almagest::bench
