// Text to words for BM25: splitting, lower case, folding, stop words, stems, lengths. The steps and
// their order are Qdrant's, so that options written for it mean the same here.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

struct StopWords {
  std::vector<std::string> languages;  // Lists to use (stop_words.h).
  std::vector<std::string> custom;     // Further words.
};

// Every field as in Qdrant's Bm25Config.
struct TokenizerOptions {
  // "word": runs of letters and digits (Unicode). "whitespace": runs of anything but white space.
  // "prefix": as "word", and of each word all its prefixes (in queries only the longest allowed).
  // "multilingual": ICU's word boundaries, for languages that put no space between words.
  std::string tokenizer = "word";
  // Sets the defaults of `stopwords` and `stemmer`. "none" means neither. A language of Qdrant's
  // list without a list of stop words or a stemmer here goes without.
  std::string language = "english";
  bool lowercase = true;
  bool ascii_folding = false;          // "ação" becomes "acao".
  std::optional<StopWords> stopwords;  // Replaces the default list of `language`.
  std::optional<std::string> stemmer;  // A Snowball language, or "none"; replaces the default.
  std::optional<uint32_t>
      min_token_len;  // In characters, after stemming; shorter ones are dropped.
  std::optional<uint32_t> max_token_len;  // Likewise for longer ones.
};

// Not thread-safe (the stemmer keeps state): one object per thread. Creation costs some 10 us.
class Tokenizer {
 public:
  // kOutOfRange naming the option, the value and the known values.
  static Result<Tokenizer> Create(const TokenizerOptions& options);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // The tokens in order of appearance, with repetitions. Invalid UTF-8 separates tokens.
  std::vector<std::string> Split(std::string_view text, bool is_query) const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace almagest
