#include "training/mine_negatives.h"

#include <algorithm>
#include <cmath>

#include "training/vector_space_tensors.h"

namespace almagest::training {
namespace {

// The positives of some queries as one matrix; short rows repeat their first.
torch::Tensor PaddedPositives(std::span<const TrainingQuery> train, const torch::Device& device) {
  size_t width = 0;
  for (const TrainingQuery& query : train) width = std::max(width, query.positives.size());
  std::vector<int32_t> padded;
  padded.reserve(train.size() * width);
  for (const TrainingQuery& query : train) {
    padded.insert(padded.end(), query.positives.begin(), query.positives.end());
    padded.insert(padded.end(), width - query.positives.size(), query.positives.front());
  }
  return ToIndex(padded, device)
      .view({static_cast<int64_t>(train.size()), static_cast<int64_t>(width)});
}

}  // namespace

std::vector<MinedQuery> MineNegatives(const torch::Tensor& queries, const torch::Tensor& documents,
                                      std::span<const TrainingQuery> train, int64_t depth,
                                      double ratio, const Tick& tick) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor columns = documents.t();
  depth = std::min(depth, documents.size(0));
  const auto count = static_cast<int64_t>(train.size());
  const int64_t block = ScoreBlock(documents.size(0));
  std::vector<MinedQuery> mined(train.size());
  for (int64_t first = 0; first < count; first += block) {
    const int64_t rows = std::min(block, count - first);
    const auto part = train.subspan(static_cast<size_t>(first), static_cast<size_t>(rows));
    torch::Tensor scores = queries.narrow(0, first, rows).mm(columns);
    const torch::Tensor index = PaddedPositives(part, documents.device());
    const torch::Tensor positive = scores.gather(1, index);
    const torch::Tensor best = std::get<0>(positive.max(1, true));
    const torch::Tensor limit = best - (1 - ratio) * best.abs();  // NegativeLimit by row.
    scores.masked_fill_(scores >= limit, -INFINITY).scatter_(1, index, -INFINITY);
    const auto top = scores.topk(depth, 1);
    const std::vector<float> positive_scores = ToVector(positive);
    const std::vector<float> negative_scores = ToVector(std::get<0>(top));
    const torch::Tensor found = std::get<1>(top).to(torch::kCPU).contiguous();
    for (int64_t i = 0; i < rows; ++i) {
      MinedQuery& entry = mined[static_cast<size_t>(first + i)];
      const float* own = positive_scores.data() + i * positive.size(1);
      entry.positive_scores.assign(own, own + part[static_cast<size_t>(i)].positives.size());
      for (int64_t j = 0; j < depth; ++j) {
        const float score = negative_scores[static_cast<size_t>(i * depth + j)];
        if (!std::isfinite(score)) break;  // Fewer candidates than the depth.
        entry.negatives.push_back(static_cast<int32_t>(found.data_ptr<int64_t>()[i * depth + j]));
        entry.negative_scores.push_back(score);
      }
    }
    if (tick) tick(static_cast<double>(first + rows) / static_cast<double>(count));
  }
  return mined;
}

}  // namespace almagest::training
