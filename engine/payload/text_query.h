// A full-text condition as a text index reads it. Inside engine/payload only.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/payload/filter.h"
#include "engine/payload/payload_index_type.h"
#include "engine/text/tokenizer.h"

namespace almagest {

// Not thread-safe (see Tokenizer): one object per thread.
class TextQuery {
 public:
  // `config` is that of a text index. Errors: those of Tokenizer::Create.
  static Result<TextQuery> Make(const PayloadIndexConfig& config, const MatchText& match);

  TextMode mode() const { return mode_; }
  // In order, with repetitions. A query without tokens matches nothing.
  const std::vector<std::string>& tokens() const { return tokens_; }
  // Whether a key with these values (the strings of an array one by one) matches: words of one text
  // may be spread over the values, a phrase stands in one of them.
  bool Matches(std::span<const std::string_view> values) const;

 private:
  TextQuery(Tokenizer tokenizer, TextMode mode) : tokenizer_(std::move(tokenizer)), mode_(mode) {}

  Tokenizer tokenizer_;
  TextMode mode_;
  std::vector<std::string> tokens_;
};

// Without a text index: a substring test; for kAny, of any word parted by white space.
bool ContainsText(std::string_view value, const MatchText& match);

}  // namespace almagest
