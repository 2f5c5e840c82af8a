#include "tests/bench/learning/compatibility_anchor.h"

#include <algorithm>
#include <cmath>

#include "storage/base/checksum.h"
#include "training/vector_space_tensors.h"

namespace almagest::bench {
namespace {

constexpr int kRounds = 10;
constexpr double kLargestShare = 1.2;  // Of N / K.
constexpr int64_t kChoices = 8;        // Clusters that a document asks for before any with room.

torch::Tensor UnitRows(const torch::Tensor& rows) {
  return training::Normalised(rows, training::Distance::kCosine);
}

// The nearest cluster with room: who is nearest is served first.
torch::Tensor AssignWithinCapacity(const torch::Tensor& scores, int64_t capacity) {
  const int64_t rows = scores.size(0);
  const int64_t clusters = scores.size(1);
  const int64_t choices = std::min(kChoices, clusters);
  const auto [values, wanted] = scores.topk(choices, 1);
  const torch::Tensor order = values.flatten().argsort(0, /*descending=*/true).contiguous();
  const torch::Tensor flat = wanted.flatten().contiguous();
  torch::Tensor assigned = torch::full({rows}, -1, torch::kInt64);
  int64_t* cluster_of = assigned.data_ptr<int64_t>();
  std::vector<int64_t> size(static_cast<size_t>(clusters), 0);
  const auto take = [&](int64_t row, int64_t cluster) {
    if (cluster_of[row] >= 0 || size[static_cast<size_t>(cluster)] >= capacity) return;
    cluster_of[row] = cluster;
    ++size[static_cast<size_t>(cluster)];
  };
  for (int64_t i = 0; i < order.size(0); ++i) {
    const int64_t at = order.data_ptr<int64_t>()[i];
    take(at / choices, flat.data_ptr<int64_t>()[at]);
  }
  for (int64_t row = 0; row < rows; ++row) {
    if (cluster_of[row] >= 0) continue;
    const torch::Tensor ranked = scores[row].argsort(0, /*descending=*/true).contiguous();
    for (int64_t i = 0; i < clusters; ++i) take(row, ranked.data_ptr<int64_t>()[i]);
  }
  return assigned;
}

torch::Tensor MeanDirections(const torch::Tensor& rows, const torch::Tensor& cluster,
                             const torch::Tensor& before) {
  const torch::Tensor sums = torch::zeros_like(before).index_add_(0, cluster, rows);
  const torch::Tensor is_empty = sums.norm(2, 1, true) < 1e-9;
  return torch::where(is_empty, before, UnitRows(sums));
}

}  // namespace

std::vector<double> SimplexVertices(int64_t count) {
  const int64_t n = count - 1;
  const double alpha = (1 - std::sqrt(1.0 + static_cast<double>(n))) / static_cast<double>(n);
  torch::Tensor corners =
      torch::cat({torch::eye(n, torch::kFloat64), torch::full({1, n}, alpha, torch::kFloat64)});
  corners = corners - corners.mean(0, true);
  corners = (corners / corners.norm(2, 1, true)).contiguous();
  return {corners.data_ptr<double>(), corners.data_ptr<double>() + corners.numel()};
}

PseudoClasses FindPseudoClasses(std::span<const float> documents, int64_t dimension, int64_t count,
                                uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const auto n = static_cast<int64_t>(documents.size()) / dimension;
  const torch::Tensor rows = training::ToTensor(documents, {n, dimension}, torch::kCPU);
  const torch::Tensor mean = rows.mean(0);
  const torch::Tensor centred = UnitRows(rows - mean);

  std::vector<std::pair<uint64_t, int32_t>> drawn;
  for (int64_t i = 0; i < n; ++i) {
    drawn.emplace_back(Mix64(seed ^ Mix64(static_cast<uint64_t>(i))), static_cast<int32_t>(i));
  }
  std::ranges::sort(drawn);
  std::vector<int32_t> first;
  for (int64_t k = 0; k < count; ++k) first.push_back(drawn[static_cast<size_t>(k)].second);
  torch::Tensor centroids = centred.index_select(0, training::ToIndex(first, torch::kCPU));
  const auto capacity = static_cast<int64_t>(
      std::ceil(kLargestShare * static_cast<double>(n) / static_cast<double>(count)));
  torch::Tensor cluster;
  for (int round = 0; round < kRounds; ++round) {
    cluster = AssignWithinCapacity(centred.mm(centroids.t()), capacity);
    centroids = MeanDirections(centred, cluster, centroids);
  }

  // min |V P - C| over rotations P of the simplex: orthogonal Procrustes.
  const std::vector<double> vertices = SimplexVertices(count);
  const torch::Tensor v =
      torch::from_blob(const_cast<double*>(vertices.data()), {count, count - 1}, torch::kFloat64);
  const torch::Tensor c = centroids.to(torch::kFloat64);
  const auto [u, singular, vt] = at::linalg_svd(v.t().mm(c), /*full_matrices=*/false);
  const torch::Tensor simplex = v.mm(u.mm(vt));

  PseudoClasses classes;
  classes.count = count;
  classes.mean = training::ToVector(mean);
  const torch::Tensor narrow = cluster.to(torch::kInt32);
  classes.cluster.assign(narrow.data_ptr<int32_t>(), narrow.data_ptr<int32_t>() + n);
  classes.centroids = training::ToVector(MeanDirections(rows, cluster, centroids));
  classes.simplex = training::ToVector(simplex);
  classes.fit = (simplex * c).sum(1).mean().item<double>();
  return classes;
}

}  // namespace almagest::bench
