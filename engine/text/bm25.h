// The sparse text model "qdrant/bm25": term weights of Okapi BM25 (Robertson & Zaragoza 2009,
// section 3) without the IDF, which the collection multiplies in at search time (modifier "idf").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/tokenizer.h"
#include "storage/base/result.h"

namespace almagest {

// A sparse vector: strictly ascending indices, one positive weight each.
struct SparseTerms {
  std::vector<uint32_t> indices;
  std::vector<float> values;
};

struct Bm25Options : TokenizerOptions {
  double k = 1.2;        // Saturation of the term frequency; >= 0.
  double b = 0.75;       // Length normalisation, 0 (none) to 1.
  double avg_len = 256;  // Expected tokens of a document; > 0.
};

// The index of a token: |murmur3_32(token, seed 0)| of the signed hash, as in Qdrant and fastembed,
// so that vectors made here and there can be mixed. Tokens of one hash share one term.
uint32_t Bm25TermIndex(std::string_view token);

// Not thread-safe (see Tokenizer): one object per thread.
class Bm25 {
 public:
  // kOutOfRange naming the option, the value and what is allowed.
  static Result<Bm25> Create(const Bm25Options& options);

  // Weight of a term: tf * (k + 1) / (tf + k * (1 - b + b * length / avg_len)), length in tokens
  // after stop words. Text without tokens gives an empty vector.
  SparseTerms Document(std::string_view text) const;
  // Weight 1 for each distinct term.
  SparseTerms Query(std::string_view text) const;

 private:
  Bm25(Tokenizer tokenizer, double k, double b, double avg_len)
      : tokenizer_(std::move(tokenizer)), k_(k), b_(b), avg_len_(avg_len) {}
  Tokenizer tokenizer_;
  double k_;
  double b_;
  double avg_len_;
};

}  // namespace almagest
