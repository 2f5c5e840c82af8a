#include "engine/search/corpus_idf.h"

#include <cmath>

#include "engine/search/sparse_search.h"

namespace almagest {

Result<std::vector<float>> CorpusIdf(const Collection& collection, const CollectionView& view,
                                     const Collection::Field& field, const SlotSet& corpus,
                                     std::span<const uint32_t> terms, const Deadline& deadline) {
  const auto points = static_cast<double>(corpus.size());
  std::vector<float> idf;
  idf.reserve(terms.size());
  for (const uint32_t term : terms) {
    const SparseVector query{{term}, {1.0f}};
    SparseSearch search;
    search.field = field;
    search.field.sparse.idf = false;
    search.query = &query;
    search.k = corpus.size();
    search.allowed = &corpus;
    search.deadline = deadline;
    double frequency = 0;
    if (!corpus.empty()) {
      ALMAGEST_TRY(const auto found, SearchSparse(collection, view, search));
      frequency = static_cast<double>(found.size());
    }
    idf.push_back(
        static_cast<float>(std::log((points - frequency + 0.5) / (frequency + 0.5) + 1.0)));
  }
  return idf;
}

}  // namespace almagest
