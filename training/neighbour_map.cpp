#include "training/neighbour_map.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "training/adapter_training.h"
#include "training/training_corpus.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

constexpr int64_t kNeighbourSteps = 200;
constexpr size_t kListsMin = 100;
// A document is its own best answer, so it must not be drawn as a negative; nor is there anything
// to learn from drawing it as a positive.
constexpr float kSelfWeight = 1e-6f;

// Documents as queries: their rows are those of the documents.
std::vector<JudgedQuery> PseudoQueries(const NeighbourLists& lists) {
  std::vector<JudgedQuery> queries;
  const auto depth = static_cast<size_t>(lists.depth);
  for (size_t i = 0; i < lists.documents.size(); ++i) {
    JudgedQuery query;
    query.query = lists.documents[i];
    for (const int32_t row : lists.neighbours.subspan(i * depth, depth)) {
      if (row >= 0 && row != query.query) query.documents.push_back({row, 1, 1});
    }
    if (query.documents.empty()) continue;
    query.documents.push_back({query.query, 1, kSelfWeight});
    const auto by_document = [](const JudgedDocument& a, const JudgedDocument& b) {
      return a.document < b.document;
    };
    const auto same = [](const JudgedDocument& a, const JudgedDocument& b) {
      return a.document == b.document;
    };
    std::sort(query.documents.begin(), query.documents.end(), by_document);
    query.documents.erase(std::unique(query.documents.begin(), query.documents.end(), same),
                          query.documents.end());
    queries.push_back(std::move(query));
  }
  return queries;
}

}  // namespace

Result<LinearAdapter> LearnFromNeighbours(const VectorSpace& space, const NeighbourLists& lists,
                                          const LinearAdapter& start, const JobConfig& config,
                                          Progress* progress) {
  const std::vector<JudgedQuery> queries = PseudoQueries(lists);
  if (queries.size() < kListsMin) return start;
  progress->Phase("training");
  const torch::Tensor documents = space.tensors().documents.to(torch::kCPU).contiguous();
  const std::span values(documents.data_ptr<float>(), static_cast<size_t>(documents.numel()));
  ALMAGEST_TRY(const auto pseudo, VectorSpace::Create(values, values,
                                                      {space.dimension(), space.distance(),
                                                       config.device, config.threads}));
  Candidate candidate;
  candidate.name = "neighbours";
  candidate.start = start;
  candidate.start.query_bias = start.document_bias;  // Its queries are documents.
  candidate.steps = kNeighbourSteps;
  ALMAGEST_TRY(
      const TrainedCandidate trained,
      TrainCandidate(*pseudo, TrainingCorpus(*pseudo, queries, config).MakeData(queries, {}),
                     candidate, config.options, config.seed,
                     std::numeric_limits<double>::infinity(), progress));
  // With the W learned, each side is centred where it was: b = -W mean = W W_start^-1 b_start.
  const int64_t d = space.dimension();
  const auto matrix = [&](const std::vector<float>& weight) {
    return ToTensor(weight, {d, d}, torch::kCPU).to(torch::kFloat64);
  };
  const auto vector = [&](const std::vector<float>& bias) {
    return ToTensor(bias, {d, 1}, torch::kCPU).to(torch::kFloat64);
  };
  const torch::Tensor weight = matrix(trained.adapter.document_weight);
  const torch::Tensor biases =
      torch::cat({vector(start.query_bias), vector(start.document_bias)}, 1);
  const torch::Tensor moved = weight.mm(at::linalg_solve(matrix(start.document_weight), biases));
  LinearAdapter learned = start;
  learned.kind = "two_sided_linear";
  learned.query_weight = learned.document_weight = trained.adapter.document_weight;
  learned.query_bias = ToVector(moved.select(1, 0).contiguous());
  learned.document_bias = ToVector(moved.select(1, 1).contiguous());
  return learned;
}

}  // namespace almagest::training
