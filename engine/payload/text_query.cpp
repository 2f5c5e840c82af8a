#include "engine/payload/text_query.h"

#include <algorithm>
#include <unordered_set>

namespace almagest {

Result<TextQuery> TextQuery::Make(const PayloadIndexConfig& config, const MatchText& match) {
  ALMAGEST_TRY(Tokenizer tokenizer, Tokenizer::Create(config.text));
  TextQuery query(std::move(tokenizer), match.mode);
  const bool phrase = match.mode == TextMode::kPhrase;
  // An index that forgot the order of its tokens has no phrases.
  if (phrase && !config.phrase_matching) return query;
  query.tokens_ = query.tokenizer_.Split(match.text, /*is_query=*/!phrase);
  return query;
}

bool TextQuery::Matches(std::span<const std::string_view> values) const {
  if (tokens_.empty()) return false;
  std::unordered_set<std::string> found;
  for (const std::string_view value : values) {
    std::vector<std::string> tokens = tokenizer_.Split(value, /*is_query=*/false);
    if (mode_ == TextMode::kPhrase) {
      if (!std::ranges::search(tokens, tokens_).empty()) return true;
      continue;
    }
    for (std::string& token : tokens) found.insert(std::move(token));
  }
  if (mode_ == TextMode::kPhrase) return false;
  const auto occurs = [&](const std::string& token) { return found.contains(token); };
  return mode_ == TextMode::kAny ? std::ranges::any_of(tokens_, occurs)
                                 : std::ranges::all_of(tokens_, occurs);
}

bool ContainsText(std::string_view value, const MatchText& match) {
  if (match.mode != TextMode::kAny) return value.find(match.text) != value.npos;
  constexpr std::string_view kSpaces = " \t\n\v\f\r";
  std::string_view rest = match.text;
  while (true) {
    rest.remove_prefix(std::min(rest.find_first_not_of(kSpaces), rest.size()));
    if (rest.empty()) return false;
    const std::string_view word = rest.substr(0, rest.find_first_of(kSpaces));
    if (value.find(word) != value.npos) return true;
    rest.remove_prefix(word.size());
  }
}

}  // namespace almagest
