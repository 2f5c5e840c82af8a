#include "training/query_topics.h"

#include <algorithm>
#include <utility>

#include "storage/base/checksum.h"
#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

constexpr int kTopicRounds = 10;

// `count` rows, each as likely as any other to begin a topic.
torch::Tensor FirstCentroids(const torch::Tensor& rows, int64_t count, uint64_t seed) {
  std::vector<std::pair<uint64_t, int32_t>> drawn;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    drawn.emplace_back(Mix64(seed ^ Mix64(static_cast<uint64_t>(i))), static_cast<int32_t>(i));
  }
  std::sort(drawn.begin(), drawn.end());
  std::vector<int32_t> first;
  for (int64_t i = 0; i < count; ++i) first.push_back(drawn[static_cast<size_t>(i)].second);
  return rows.index_select(0, ToIndex(first, torch::kCPU));
}

torch::Tensor NearestCentroids(const torch::Tensor& rows, const torch::Tensor& centroids) {
  const torch::Tensor columns = centroids.t();
  const int64_t block = ScoreBlock(centroids.size(0));
  std::vector<torch::Tensor> parts;
  for (int64_t first = 0; first < rows.size(0); first += block) {
    const int64_t count = std::min(block, rows.size(0) - first);
    parts.push_back(rows.narrow(0, first, count).mm(columns).argmax(1));
  }
  return torch::cat(parts);
}

}  // namespace

std::vector<int32_t> FindTopics(const torch::Tensor& rows, int64_t count, uint64_t seed) {
  if (count == 0) return {};
  const torch::NoGradGuard no_grad;
  const torch::Tensor units = Normalised(rows.detach().to(torch::kCPU), Distance::kCosine);
  torch::Tensor centroids = FirstCentroids(units, std::min(count, units.size(0)), seed);
  torch::Tensor topic = NearestCentroids(units, centroids);
  for (int round = 1; round < kTopicRounds; ++round) {
    const torch::Tensor sums = torch::zeros_like(centroids).index_add_(0, topic, units);
    const torch::Tensor is_empty = sums.norm(2, 1, true) < 1e-9;
    centroids = torch::where(is_empty, centroids, Normalised(sums, Distance::kCosine));
    topic = NearestCentroids(units, centroids);
  }
  const torch::Tensor narrow = topic.to(torch::kInt32).contiguous();
  return {narrow.data_ptr<int32_t>(), narrow.data_ptr<int32_t>() + narrow.numel()};
}

}  // namespace almagest::training
