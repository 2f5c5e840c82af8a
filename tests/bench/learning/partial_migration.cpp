#include "tests/bench/learning/partial_migration.h"

#include <algorithm>
#include <optional>

#include "engine/linalg/linear_map.h"
#include "engine/linalg/matmul.h"
#include "engine/linalg/query_residual.h"
#include "engine/linalg/row_kernels.h"
#include "storage/base/checksum.h"

namespace almagest::bench {
namespace {

constexpr size_t kDepth = 100;
constexpr size_t kBlock = 64;

}  // namespace

Result<std::vector<std::vector<training::QueryMetrics>>> MeasurePartialMigration(
    const ModelVectors& vectors, const training::LinearAdapter& adapter,
    std::span<const training::JudgedQuery> test, std::span<const double> fractions) {
  const auto d = static_cast<size_t>(vectors.dimension);
  const size_t documents = vectors.documents.size() / d;
  ALMAGEST_TRY(const LinearMap query_map,
               LinearMap::Create(d, adapter.query_weight, adapter.query_bias));
  std::optional<QueryResidual> query_residual;
  if (adapter.query_residual.hidden > 0) query_residual.emplace(d, adapter.query_residual);
  ALMAGEST_TRY(const LinearMap document_map,
               LinearMap::Create(d, adapter.document_weight, adapter.document_bias));
  ALMAGEST_TRY(const CrossVersionMap carry,
               CrossVersionMap::Compose(document_map, LinearMap::Identity(d)));
  std::vector<float> stored(vectors.documents.size());
  std::vector<float> norms(documents);
  document_map.ApplyBatch(vectors.documents, documents, stored, true, norms);
  const Matmul new_scores(stored, {}, d, documents, WeightLayout::kOutputMajor);
  const Matmul old_scores(vectors.documents, {}, d, documents, WeightLayout::kOutputMajor);

  std::vector<std::vector<training::QueryMetrics>> metrics(fractions.size());
  std::vector<float> served(kBlock * d), carried(kBlock * d);
  std::vector<float> from_new(kBlock * documents), from_old(kBlock * documents);
  std::vector<float> constants(kBlock);
  std::vector<std::pair<float, int32_t>> order(documents);
  for (size_t first = 0; first < test.size(); first += kBlock) {
    const size_t rows = std::min(kBlock, test.size() - first);
    for (size_t i = 0; i < rows; ++i) {
      const std::span<const float> base(
          vectors.queries.data() + static_cast<size_t>(test[first + i].query) * d, d);
      const std::span<float> query(served.data() + i * d, d);
      query_map.Apply(base, query, !query_residual);
      if (query_residual) {
        query_residual->AddTo(base, query);
        NormalizeInPlace(query.data(), d);
      }
      constants[i] = carry.MapQuery(query, {carried.data() + i * d, d});
    }
    new_scores.Run(served.data(), rows, from_new.data());
    old_scores.Run(carried.data(), rows, from_old.data());
    for (size_t i = 0; i < rows; ++i) {
      for (size_t f = 0; f < fractions.size(); ++f) {
        for (size_t j = 0; j < documents; ++j) {
          const double draw = static_cast<double>(Mix64(j) >> 11) * 0x1.0p-53;
          const float score =
              draw < fractions[f]
                  ? from_new[i * documents + j]
                  : CrossVersionMap::Score(from_old[i * documents + j], constants[i], 1, norms[j]);
          order[j] = {-score, static_cast<int32_t>(j)};
        }
        const size_t depth = std::min(kDepth, documents);
        std::partial_sort(order.begin(), order.begin() + static_cast<long>(depth), order.end());
        std::vector<int32_t> ranking;
        for (size_t r = 0; r < depth; ++r) ranking.push_back(order[r].second);
        metrics[f].push_back(training::MeasureRanking(ranking, test[first + i].documents));
      }
    }
  }
  return metrics;
}

}  // namespace almagest::bench
