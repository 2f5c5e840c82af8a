#include "training/trusted_queries.h"

#include <algorithm>
#include <string_view>
#include <unordered_set>

#include "training/metrics.h"
#include "training/query_split.h"

namespace almagest::training {
namespace {

constexpr int64_t kMeasuredDepth = 10;

// Rows as bytes, to compare them bit by bit.
std::string_view RowBytes(std::span<const float> rows, size_t row, size_t dimension) {
  const std::span<const float> values = rows.subspan(row * dimension, dimension);
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

}  // namespace

Result<std::unique_ptr<TrustedQueries>> TrustedQueries::Create(const TrustedColumns& columns,
                                                               std::span<const float> documents,
                                                               const JobConfig& config) {
  std::unique_ptr<TrustedQueries> trusted(new TrustedQueries());
  trusted->columns_ = columns;
  trusted->dimension_ = config.dimension;
  ALMAGEST_TRY(trusted->space_, VectorSpace::Create(documents, columns.queries,
                                                    {config.dimension, config.distance,
                                                     config.device, config.threads}));
  const std::vector<float> weight(columns.query.size(), 1.0f);
  trusted->judged_ = GroupJudgements({columns.query, columns.document, columns.grade, weight, {}});
  std::vector<int32_t> rows;
  for (const JudgedQuery& query : trusted->judged_) rows.push_back(query.query);
  const auto similar = trusted->space_->SimilarQueries(rows, config.options.group_cosine, {});
  trusted->group_ = SplitQueries(rows.size(), similar, 0, 0, config.seed).group;
  return trusted;
}

size_t TrustedQueries::CountAlsoIn(std::span<const float> queries) const {
  const auto d = static_cast<size_t>(dimension_);
  std::unordered_set<std::string_view> known;
  for (size_t row = 0; row < queries.size() / d; ++row) known.insert(RowBytes(queries, row, d));
  return static_cast<size_t>(std::ranges::count_if(judged_, [&](const JudgedQuery& query) {
    return known.contains(RowBytes(columns_.queries, static_cast<size_t>(query.query), d));
  }));
}

std::vector<double> TrustedQueries::Measure(const LinearAdapter& version, const Tick& tick) const {
  std::vector<int32_t> rows;
  for (const JudgedQuery& query : judged_) rows.push_back(query.query);
  // One more: a query that is a document does not count it.
  const Ranking ranking = space_->Search(version, version, rows, kMeasuredDepth + 1, true, tick);
  std::vector<double> ndcg;
  for (size_t i = 0; i < judged_.size(); ++i) {
    std::vector<int32_t> found(ranking.Of(i).begin(), ranking.Of(i).end());
    std::erase(found, columns_.own[static_cast<size_t>(judged_[i].query)]);
    ndcg.push_back(MeasureRanking(found, judged_[i].documents).ndcg_at_10);
  }
  return ndcg;
}

TrustedValues TrustedQueries::Compare(std::vector<double> active,
                                      std::vector<double> trained) const {
  return {std::move(trained), std::move(active), group_};
}

}  // namespace almagest::training
