// BM25 over the texts of a judged set: the leg that dense search is compared and fused with.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/result.h"
#include "training/judgements.h"
#include "training/metrics.h"

namespace almagest::bench {

using ScoredDocuments = std::vector<std::pair<int32_t, double>>;  // (document, score), best first.

inline constexpr size_t kLegDepth = 100;
inline constexpr size_t kNeighbourDepth = 3;
inline constexpr size_t kNeighbourDocuments = 4000;

// The server's own text model "qdrant/bm25" with the collection's idf and mean length; the first
// kLegDepth documents of each query, equal scores by ascending row.
Result<std::vector<ScoredDocuments>> RankByText(const std::vector<std::string>& documents,
                                                const std::vector<std::string>& queries);

// The documents nearest by words to some of the documents, for neighbours.safetensors
// (docs/job-folder.md), drawn and searched as the server does it: row [i * kNeighbourDepth + r] is
// rank r of documents[i], -1 after the last.
struct DocumentNeighbours {
  std::vector<int32_t> documents;
  std::vector<int32_t> neighbours;
};
Result<DocumentNeighbours> FindNeighbours(const std::vector<std::string>& documents);

// Reciprocal rank fusion of two lists (Cormack et al. 2009, k = 60).
ScoredDocuments FuseByRank(const ScoredDocuments& a, const ScoredDocuments& b);

std::vector<training::QueryMetrics> MeasureLists(std::span<const training::JudgedQuery> judged,
                                                 std::span<const ScoredDocuments> lists);

}  // namespace almagest::bench
