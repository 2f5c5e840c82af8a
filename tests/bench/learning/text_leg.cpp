#include "tests/bench/learning/text_leg.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "engine/text/bm25.h"

namespace almagest::bench {
namespace {

constexpr double kRankConstant = 60;

void SortAndCut(ScoredDocuments* list) {
  std::sort(list->begin(), list->end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (list->size() > kLegDepth) list->resize(kLegDepth);
}

}  // namespace

Result<std::vector<ScoredDocuments>> RankByText(const std::vector<std::string>& documents,
                                                const std::vector<std::string>& queries) {
  ALMAGEST_TRY(const Tokenizer tokenizer, Tokenizer::Create({}));
  double tokens = 0;
  for (const std::string& text : documents) {
    tokens += static_cast<double>(tokenizer.Split(text, false).size());
  }
  Bm25Options options;
  options.avg_len = std::max(1.0, tokens / static_cast<double>(documents.size()));
  ALMAGEST_TRY(const Bm25 model, Bm25::Create(options));
  std::unordered_map<uint32_t, std::vector<std::pair<int32_t, float>>> postings;
  for (size_t row = 0; row < documents.size(); ++row) {
    const SparseTerms terms = model.Document(documents[row]);
    for (size_t i = 0; i < terms.indices.size(); ++i) {
      postings[terms.indices[i]].emplace_back(static_cast<int32_t>(row), terms.values[i]);
    }
  }
  const auto count = static_cast<double>(documents.size());
  std::vector<ScoredDocuments> lists;
  std::vector<double> scores(documents.size());
  for (const std::string& query : queries) {
    std::vector<int32_t> touched;
    const SparseTerms terms = model.Query(query);
    for (size_t i = 0; i < terms.indices.size(); ++i) {
      const auto found = postings.find(terms.indices[i]);
      if (found == postings.end()) continue;
      const auto frequency = static_cast<double>(found->second.size());
      const double idf = std::log(1 + (count - frequency + 0.5) / (frequency + 0.5));
      for (const auto& [row, value] : found->second) {
        double& score = scores[static_cast<size_t>(row)];
        if (score == 0) touched.push_back(row);
        score += idf * double{value} * double{terms.values[i]};
      }
    }
    ScoredDocuments list;
    for (const int32_t row : touched) {
      list.emplace_back(row, scores[static_cast<size_t>(row)]);
      scores[static_cast<size_t>(row)] = 0;
    }
    SortAndCut(&list);
    lists.push_back(std::move(list));
  }
  return lists;
}

ScoredDocuments FuseByRank(const ScoredDocuments& a, const ScoredDocuments& b) {
  std::map<int32_t, double> fused;
  for (const ScoredDocuments* list : {&a, &b}) {
    for (size_t rank = 0; rank < list->size(); ++rank) {
      fused[(*list)[rank].first] += 1 / (kRankConstant + static_cast<double>(rank + 1));
    }
  }
  ScoredDocuments list(fused.begin(), fused.end());
  SortAndCut(&list);
  return list;
}

std::vector<training::QueryMetrics> MeasureLists(std::span<const training::JudgedQuery> judged,
                                                 std::span<const ScoredDocuments> lists) {
  std::vector<training::QueryMetrics> metrics;
  for (size_t i = 0; i < judged.size(); ++i) {
    std::vector<int32_t> ranking;
    for (const auto& [document, score] : lists[i]) ranking.push_back(document);
    metrics.push_back(training::MeasureRanking(ranking, judged[i].documents));
  }
  return metrics;
}

}  // namespace almagest::bench
