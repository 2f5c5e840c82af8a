#include "tests/bench/learning/text_leg.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>

#include "engine/text/bm25.h"

namespace almagest::bench {
namespace {

constexpr double kRankConstant = 60;

void SortAndCut(ScoredDocuments* list, size_t depth) {
  const auto better = [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  };
  const size_t kept = std::min(list->size(), depth);
  std::partial_sort(list->begin(), list->begin() + static_cast<long>(kept), list->end(), better);
  list->resize(kept);
}

// Posting lists of the server's own text model, searched exhaustively.
class TextIndex {
 public:
  static Result<TextIndex> Build(const std::vector<std::string>& documents) {
    ALMAGEST_TRY(const Tokenizer tokenizer, Tokenizer::Create({}));
    double tokens = 0;
    for (const std::string& text : documents) {
      tokens += static_cast<double>(tokenizer.Split(text, false).size());
    }
    Bm25Options options;
    options.avg_len = std::max(1.0, tokens / static_cast<double>(documents.size()));
    ALMAGEST_TRY(Bm25 model, Bm25::Create(options));
    TextIndex index(std::move(model), documents.size());
    for (size_t row = 0; row < documents.size(); ++row) {
      const SparseTerms terms = index.model_.Document(documents[row]);
      for (size_t i = 0; i < terms.indices.size(); ++i) {
        index.postings_[terms.indices[i]].emplace_back(static_cast<int32_t>(row), terms.values[i]);
      }
    }
    return index;
  }

  const Bm25& model() const { return model_; }

  ScoredDocuments Search(const SparseTerms& terms, size_t depth) {
    const auto count = static_cast<double>(scores_.size());
    std::vector<int32_t> touched;
    for (size_t i = 0; i < terms.indices.size(); ++i) {
      const auto found = postings_.find(terms.indices[i]);
      if (found == postings_.end()) continue;
      const auto frequency = static_cast<double>(found->second.size());
      const double idf = std::log(1 + (count - frequency + 0.5) / (frequency + 0.5));
      for (const auto& [row, value] : found->second) {
        double& score = scores_[static_cast<size_t>(row)];
        if (score == 0) touched.push_back(row);
        score += idf * double{value} * double{terms.values[i]};
      }
    }
    ScoredDocuments list;
    for (const int32_t row : touched) {
      list.emplace_back(row, scores_[static_cast<size_t>(row)]);
      scores_[static_cast<size_t>(row)] = 0;
    }
    SortAndCut(&list, depth);
    return list;
  }

 private:
  TextIndex(Bm25 model, size_t documents) : model_(std::move(model)), scores_(documents) {}

  Bm25 model_;
  std::unordered_map<uint32_t, std::vector<std::pair<int32_t, float>>> postings_;
  std::vector<double> scores_;  // All 0 between searches.
};

}  // namespace

Result<std::vector<ScoredDocuments>> RankByText(const std::vector<std::string>& documents,
                                                const std::vector<std::string>& queries) {
  ALMAGEST_TRY(TextIndex index, TextIndex::Build(documents));
  std::vector<ScoredDocuments> lists;
  for (const std::string& query : queries) {
    lists.push_back(index.Search(index.model().Query(query), kLegDepth));
  }
  return lists;
}

Result<DocumentNeighbours> FindNeighbours(const std::vector<std::string>& documents) {
  ALMAGEST_TRY(TextIndex index, TextIndex::Build(documents));
  DocumentNeighbours found;
  const size_t count = std::min(documents.size(), kNeighbourDocuments);
  for (size_t i = 0; i < count; ++i) {
    const size_t row = i * documents.size() / count;
    found.documents.push_back(static_cast<int32_t>(row));
    ScoredDocuments list =
        index.Search(index.model().Document(documents[row]), kNeighbourDepth + 1);
    std::erase_if(list, [&](const auto& entry) { return entry.first == found.documents.back(); });
    for (size_t rank = 0; rank < kNeighbourDepth; ++rank) {
      found.neighbours.push_back(rank < list.size() ? list[rank].first : -1);
    }
  }
  return found;
}

ScoredDocuments FuseByRank(const ScoredDocuments& a, const ScoredDocuments& b) {
  std::map<int32_t, double> fused;
  for (const ScoredDocuments* list : {&a, &b}) {
    for (size_t rank = 0; rank < list->size(); ++rank) {
      fused[(*list)[rank].first] += 1 / (kRankConstant + static_cast<double>(rank + 1));
    }
  }
  ScoredDocuments list(fused.begin(), fused.end());
  SortAndCut(&list, kLegDepth);
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
