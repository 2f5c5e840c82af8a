// The data sets of `almagest-bench sparse`: documents and queries as sparse vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/index/sparse_vector.h"

namespace almagest::bench {

// Vectors one after another.
class SparseRows {
 public:
  void Add(std::span<const uint32_t> terms, std::span<const float> weights);
  size_t size() const { return first_.size() - 1; }
  size_t posting_count() const { return terms_.size(); }
  SparseView operator[](size_t row) const {
    const size_t first = first_[row];
    const size_t count = first_[row + 1] - first;
    return {std::span(terms_).subspan(first, count), std::span(weights_).subspan(first, count)};
  }

 private:
  std::vector<size_t> first_ = {0};
  std::vector<uint32_t> terms_;
  std::vector<float> weights_;
};

struct SparseData {
  std::string name;
  SparseRows documents;
  SparseRows queries;
};

// BM25 vectors (bm25.h; average length as measured, idf of the documents in the queries' weights)
// of the reverse dictionary: every WordNet gloss, asked for by definitions of Webster 1913 as the
// demo picks them. Throws client::ClientError naming the file.
SparseData ReadReverseDictionarySet(const std::filesystem::path& wordnet,
                                    const std::filesystem::path& gcide, size_t queries_max);

// The same of `folder`/corpus.jsonl and queries.jsonl, whose lines are objects with a "text".
// Throws std::runtime_error naming the file.
SparseData ReadJudgedSet(const std::filesystem::path& folder, size_t queries_max);

struct LearnedSparseOptions {
  size_t documents = 500'000;
  size_t queries = 500;
  size_t vocabulary = 30'000;
  size_t document_terms = 120;
  size_t query_terms = 40;
  uint64_t seed = 1;
};

// A synthetic set shaped like learned-sparse encodings (SPLADE) of passages. The same on every
// machine with IEEE arithmetic and the same libm.
//   Terms are Zipfian. There is a topic for every 100 documents, each with 240 terms of its own
//   ranking. A document has 4 parts of its terms from a topic, 3 from a second, 5 from the
//   whole vocabulary; weights are log-normal, larger for the topic's leading terms and smaller
//   for terms that are frequent everywhere. A query belongs to a document: half of its terms are
//   among the document's heaviest half, 3 in 10 from its topic, the rest from the vocabulary.
SparseData MakeLearnedSparseSet(const LearnedSparseOptions& options);

}  // namespace almagest::bench
