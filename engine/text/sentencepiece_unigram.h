// SentencePiece unigram segmentation (Kudo 2018, "Subword Regularization", section 3.2) as the
// Universal Sentence Encoder lite uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

// Text to piece ids: NFKC, U+2581 in front, every space to U+2581, then the segmentation of highest
// total log-probability (Viterbi). A character that no piece covers is id 0; a run of those is one
// id 0. Invalid UTF-8 counts as U+FFFD. Immutable and thread-safe.
class SentencePieceUnigram {
 public:
  static constexpr int32_t kUnknownId = 0;
  static constexpr size_t kReservedPieces = 6;  // Ids below this are never produced from text.

  // vocabulary_json: an array of [piece, log-probability]; the index is the id. kCorruption with
  // the reason if it is anything else.
  static Result<SentencePieceUnigram> Parse(std::string_view vocabulary_json);

  SentencePieceUnigram(SentencePieceUnigram&&) noexcept;
  SentencePieceUnigram& operator=(SentencePieceUnigram&&) noexcept;
  ~SentencePieceUnigram();

  // At most max_tokens ids, the first ones. Empty text gives no ids. Text beyond the first
  // 64 * max_tokens bytes is not looked at, so that the cost is bounded for any input.
  std::vector<int32_t> Encode(std::string_view text, size_t max_tokens) const;

  size_t vocabulary_size() const;

 private:
  struct Trie;
  explicit SentencePieceUnigram(std::unique_ptr<Trie> trie);
  std::unique_ptr<Trie> trie_;
};

}  // namespace almagest
