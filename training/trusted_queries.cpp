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
                                                               std::span<const float> feedback,
                                                               const JobConfig& config) {
  std::unique_ptr<TrustedQueries> trusted(new TrustedQueries());
  trusted->columns_ = columns;
  ALMAGEST_TRY(trusted->space_, VectorSpace::Create(documents, columns.queries,
                                                    {config.dimension, config.distance,
                                                     config.device, config.threads}));
  TrustedCounts& counts = trusted->counts_;
  counts.given = columns.own.size();
  std::vector<int32_t> query, document;
  std::vector<float> grade;
  for (size_t i = 0; i < columns.query.size(); ++i) {
    if (columns.document[i] < 0) {
      ++counts.judgements_gone;
      continue;
    }
    query.push_back(columns.query[i]);
    document.push_back(columns.document[i]);
    grade.push_back(columns.grade[i]);
  }
  const std::vector<float> weight(query.size(), 1.0f);
  trusted->judged_ = GroupJudgements({query, document, grade, weight, {}});
  const auto d = static_cast<size_t>(config.dimension);
  std::unordered_set<std::string_view> known;
  for (size_t row = 0; row < feedback.size() / d; ++row) known.insert(RowBytes(feedback, row, d));
  std::vector<int32_t> rows;
  for (const JudgedQuery& judged : trusted->judged_) {
    rows.push_back(judged.query);
    const auto row = static_cast<size_t>(judged.query);
    counts.also_in_feedback += known.contains(RowBytes(columns.queries, row, d));
  }
  if (rows.empty()) return trusted;
  const auto similar = trusted->space_->SimilarQueries(rows, config.options.group_cosine, {});
  trusted->group_ = SplitQueries(rows.size(), similar, 0, 0, config.seed).group;
  return trusted;
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
  return {std::move(trained), std::move(active), group_, counts_};
}

}  // namespace almagest::training
