#include "tests/bench/learning/reference_adapter.h"

#include <torch/torch.h>

#include <numeric>
#include <vector>

#include "storage/base/checksum.h"
#include "training/batch_sampler.h"
#include "training/contrastive_loss.h"
#include "training/evaluation.h"
#include "training/vector_space_tensors.h"

namespace almagest::bench {
namespace {

using namespace training;

constexpr double kTemperature = 0.05;
constexpr double kLearningRate = 3e-4;
constexpr int64_t kBatch = 128;
constexpr int64_t kSteps = 400;
constexpr int64_t kEvaluateEvery = 25;
constexpr uint64_t kHeldBack = 10;  // One of ten.

LinearAdapter AsAdapter(const torch::Tensor& change) {
  const int64_t d = change.size(0);
  LinearAdapter adapter = LinearAdapter::Identity(d);
  adapter.kind = "two_sided_linear";
  adapter.maps_documents = true;
  adapter.query_weight = ToVector(torch::eye(d) + change.detach());
  adapter.document_weight = adapter.query_weight;
  return adapter;
}

}  // namespace

LinearAdapter TrainReferenceAdapter(const VectorSpace& space, std::span<const JudgedQuery> train,
                                    uint64_t seed) {
  std::vector<int32_t> position(static_cast<size_t>(space.document_count()));
  std::iota(position.begin(), position.end(), 0);
  std::vector<TrainingQuery> learned;
  std::vector<JudgedQuery> held_back;
  for (const JudgedQuery& query : train) {
    if (Mix64(seed ^ Mix64(static_cast<uint64_t>(query.query))) % kHeldBack == 0) {
      held_back.push_back(query);
    } else {
      learned.push_back(MakeTrainingQuery(query, position));
    }
  }
  BatchSampler sampler(learned, {kBatch, 0, 0, 1, space.document_count(), seed});
  torch::Tensor change = torch::zeros({space.dimension(), space.dimension()});
  change.set_requires_grad(true);
  torch::optim::Adam optimizer({change}, torch::optim::AdamOptions(kLearningRate));
  const torch::Tensor& queries = space.tensors().queries;
  const torch::Tensor& documents = space.tensors().documents;
  const auto map = [&](const torch::Tensor& rows) {
    return Normalised(rows + rows.mm(change.t()), Distance::kCosine);
  };
  const auto quality = [&](const LinearAdapter& adapter) {
    return Mean(Column(Evaluate(space, adapter, adapter, held_back, 10, true, {}),
                       &QueryMetrics::ndcg_at_10));
  };
  LinearAdapter best = LinearAdapter::Identity(space.dimension());
  double best_quality = quality(best);
  for (int64_t step = 1; step <= kSteps; ++step) {
    const Batch batch = sampler.Next({});
    const auto rows = static_cast<int64_t>(batch.queries.size());
    std::vector<int32_t> query_rows;
    for (const int32_t index : batch.queries) {
      query_rows.push_back(learned[static_cast<size_t>(index)].query);
    }
    const torch::Tensor excluded =
        torch::tensor(batch.excluded, torch::kUInt8).view({rows, -1}).to(torch::kBool);
    optimizer.zero_grad();
    InfoNce(map(queries.index_select(0, ToIndex(query_rows, torch::kCPU))),
            map(documents.index_select(0, ToIndex(batch.columns, torch::kCPU))), excluded,
            torch::tensor(batch.weights), kTemperature)
        .backward();
    optimizer.step();
    if (step % kEvaluateEvery != 0) continue;
    LinearAdapter adapter = AsAdapter(change);
    const double now = quality(adapter);
    if (now <= best_quality) continue;
    best_quality = now;
    best = std::move(adapter);
  }
  return best;
}

}  // namespace almagest::bench
