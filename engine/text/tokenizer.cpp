#include "engine/text/tokenizer.h"

#include <libstemmer.h>
#include <unicode/brkiter.h>
#include <unicode/translit.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <unordered_set>

#include "engine/text/english_stop_words.h"
#include "engine/text/stop_words.h"

namespace almagest {
namespace {

enum class Splitter { kWord, kWhitespace, kPrefix, kMultilingual };

// Names of Qdrant's SnowballLanguage and Language. Those of the second without the first are valid
// languages that have no stemmer.
constexpr std::string_view kStemmers[] = {
    "arabic",  "armenian", "danish",    "dutch",   "english",   "finnish",    "french",
    "german",  "greek",    "hungarian", "italian", "norwegian", "portuguese", "romanian",
    "russian", "spanish",  "swedish",   "tamil",   "turkish"};
constexpr std::string_view kUnstemmed[] = {
    "azerbaijani", "basque",   "bengali", "catalan", "chinese", "hebrew", "hinglish",
    "indonesian",  "japanese", "kazakh",  "nepali",  "slovene", "tajik"};

bool Contains(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string Join(std::span<const std::string_view> names) {
  std::string joined;
  for (const std::string_view name : names) (joined += joined.empty() ? "" : ", ") += name;
  return joined;
}

tl::unexpected<Error> Unknown(const char* option, std::string_view value, std::string_view known) {
  return Fail(ErrorCode::kOutOfRange, std::string(option) + " '" + std::string(value) +
                                          "' is not known; known are " + std::string(known));
}

icu::UnicodeString ToUnicode(std::string_view text) {
  return icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void Lowercase(std::string& token) {
  if (IsAscii(token)) {
    for (char& c : token) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return;
  }
  std::string lower;
  ToUnicode(token).toLower(icu::Locale::getRoot()).toUTF8String(lower);
  token = std::move(lower);
}

// Letters and digits as Rust's char::is_alphanumeric has them.
bool IsAlphanumeric(UChar32 c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
  constexpr uint32_t kNumbers = U_GC_ND_MASK | U_GC_NL_MASK | U_GC_NO_MASK;
  return u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || (U_GET_GC_MASK(c) & kNumbers) != 0;
}

size_t CharacterCount(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// Calls `take` for each maximal run of characters that `keep` accepts. Invalid bytes end a run.
template <class Keep, class Take>
void ForEachRun(std::string_view text, const Keep& keep, const Take& take) {
  const auto length = static_cast<int32_t>(text.size());
  int32_t first = -1;
  for (int32_t i = 0; i < length;) {
    const int32_t at = i;
    UChar32 c;
    U8_NEXT(text.data(), i, length, c);
    if (c >= 0 && keep(c)) {
      if (first < 0) first = at;
    } else if (first >= 0) {
      take(text.substr(first, at - first));
      first = -1;
    }
  }
  if (first >= 0) take(text.substr(first));
}

struct StemmerDeleter {
  void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
};

}  // namespace

struct Tokenizer::State {
  Splitter splitter = Splitter::kWord;
  bool lowercase = true;
  size_t min_length = 0;
  size_t max_length = SIZE_MAX;
  std::unordered_set<std::string> stop_words;
  std::unique_ptr<icu::Transliterator> folding;
  std::unique_ptr<icu::BreakIterator> words;
  std::unique_ptr<sb_stemmer, StemmerDeleter> stemmer;

  Result<> AddStopWords(const TokenizerOptions& options);
  Result<> AddStemmer(const TokenizerOptions& options);
  Result<> AddIcu(const TokenizerOptions& options);

  // Folding, lower case, stop words, stem, length: false if the token is dropped.
  bool Finish(std::string& token, bool check_length, bool check_stop_words = true) const;
  void AddPrefixes(std::string token, bool is_query, std::vector<std::string>& tokens) const;
  void SplitWords(std::string_view text, std::vector<std::string>& tokens) const;
};

Result<> Tokenizer::State::AddStopWords(const TokenizerOptions& options) {
  const StopWords chosen = options.stopwords.value_or(StopWords{{options.language}, {}});
  for (const std::string& language : chosen.languages) {
    const auto listed = StopWordsOf(language);
    for (const std::string_view word : listed) stop_words.emplace(word);
    if (language == "english") {
      for (const std::string_view word : EnglishStopWords()) stop_words.emplace(word);
    } else if (listed.empty() && options.stopwords) {
      return Unknown("stopwords.languages", language, StopWordLanguages());
    }
  }
  for (std::string word : chosen.custom) {
    if (lowercase) Lowercase(word);
    stop_words.insert(std::move(word));
  }
  return {};
}

Result<> Tokenizer::State::AddStemmer(const TokenizerOptions& options) {
  if (options.language != "none" && !Contains(kStemmers, options.language) &&
      !Contains(kUnstemmed, options.language)) {
    return Unknown("language", options.language,
                   "none, " + Join(kStemmers) + ", " + Join(kUnstemmed));
  }
  const std::string& name = options.stemmer ? *options.stemmer : options.language;
  if (options.stemmer && name != "none" && !Contains(kStemmers, name)) {
    return Unknown("stemmer", name, "none, " + Join(kStemmers));
  }
  if (!Contains(kStemmers, name)) return {};
  stemmer.reset(sb_stemmer_new(name.c_str(), "UTF_8"));
  if (stemmer == nullptr) {
    return Fail(ErrorCode::kOutOfRange, "there is no stemmer for '" + name + "' on this server");
  }
  return {};
}

Result<> Tokenizer::State::AddIcu(const TokenizerOptions& options) {
  UErrorCode status = U_ZERO_ERROR;
  if (options.ascii_folding) {
    // Compiling the rules takes milliseconds, a copy none. Guarded by C++'s static initialisation.
    static const std::unique_ptr<icu::Transliterator> kFolding = [] {
      UErrorCode error = U_ZERO_ERROR;
      return std::unique_ptr<icu::Transliterator>(icu::Transliterator::createInstance(
          "NFD; [:Nonspacing Mark:] Remove; NFC; Latin-ASCII", UTRANS_FORWARD, error));
    }();
    if (kFolding == nullptr) return Fail(ErrorCode::kInternal, "ICU has no Latin-ASCII rules");
    folding.reset(kFolding->clone());
  }
  if (splitter == Splitter::kMultilingual) {
    words.reset(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), status));
    if (U_FAILURE(status)) return Fail(ErrorCode::kInternal, "ICU has no word boundary rules");
  }
  return {};
}

bool Tokenizer::State::Finish(std::string& token, bool check_length, bool check_stop_words) const {
  if (folding != nullptr && !IsAscii(token)) {
    icu::UnicodeString unicode = ToUnicode(token);
    folding->transliterate(unicode);
    token.clear();
    unicode.toUTF8String(token);
  }
  if (lowercase) Lowercase(token);
  if (check_stop_words && stop_words.contains(token)) return false;
  if (stemmer != nullptr) {
    const auto* stem =
        sb_stemmer_stem(stemmer.get(), reinterpret_cast<const sb_symbol*>(token.data()),
                        static_cast<int>(token.size()));
    if (stem != nullptr) {
      token.assign(reinterpret_cast<const char*>(stem),
                   static_cast<size_t>(sb_stemmer_length(stemmer.get())));
    }
  }
  if (token.empty()) return false;
  if (!check_length) return true;
  const size_t length = CharacterCount(token);
  return length >= min_length && length <= max_length;
}

void Tokenizer::State::AddPrefixes(std::string token, bool is_query,
                                   std::vector<std::string>& tokens) const {
  // The first letters of a word that is being typed may look like a stop word.
  if (!Finish(token, false, !is_query)) return;
  const size_t first = std::max<size_t>(min_length, 1);
  const size_t length = CharacterCount(token);
  const size_t last = std::min(length, max_length);
  if (last < first) return;
  int32_t end = 0;
  const auto bytes = static_cast<int32_t>(token.size());
  for (size_t characters = 1; characters <= last; ++characters) {
    U8_FWD_1(token.data(), end, bytes);
    if (characters < first || (is_query && characters < last)) continue;
    tokens.push_back(token.substr(0, static_cast<size_t>(end)));
  }
}

void Tokenizer::State::SplitWords(std::string_view text, std::vector<std::string>& tokens) const {
  const icu::UnicodeString unicode = ToUnicode(text);
  // Iterators keep their place, so each call takes its own copy.
  const std::unique_ptr<icu::BreakIterator> iterator(words->clone());
  iterator->setText(unicode);
  for (int32_t first = iterator->first(), last = iterator->next(); last != icu::BreakIterator::DONE;
       first = last, last = iterator->next()) {
    if (iterator->getRuleStatus() < UBRK_WORD_NONE_LIMIT) continue;  // Spaces, punctuation.
    std::string token;
    unicode.tempSubStringBetween(first, last).toUTF8String(token);
    if (Finish(token, true)) tokens.push_back(std::move(token));
  }
}

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Result<Tokenizer> Tokenizer::Create(const TokenizerOptions& options) {
  auto state = std::make_unique<State>();
  if (options.tokenizer == "word") {
    state->splitter = Splitter::kWord;
  } else if (options.tokenizer == "whitespace") {
    state->splitter = Splitter::kWhitespace;
  } else if (options.tokenizer == "prefix") {
    state->splitter = Splitter::kPrefix;
  } else if (options.tokenizer == "multilingual") {
    state->splitter = Splitter::kMultilingual;
  } else {
    return Unknown("tokenizer", options.tokenizer, "prefix, whitespace, word, multilingual");
  }
  state->lowercase = options.lowercase;
  state->min_length = options.min_token_len.value_or(0);
  if (options.max_token_len) state->max_length = *options.max_token_len;
  if (state->max_length < state->min_length) {
    return Fail(ErrorCode::kOutOfRange, "max_token_len " + std::to_string(state->max_length) +
                                            " is below min_token_len " +
                                            std::to_string(state->min_length));
  }
  ALMAGEST_TRY_VOID(state->AddStemmer(options));
  ALMAGEST_TRY_VOID(state->AddStopWords(options));
  ALMAGEST_TRY_VOID(state->AddIcu(options));
  return Tokenizer(std::move(state));
}

std::vector<std::string> Tokenizer::Split(std::string_view text, bool is_query) const {
  std::vector<std::string> tokens;
  const auto add = [&](std::string_view run) {
    std::string token(run);
    if (state_->splitter == Splitter::kPrefix) {
      state_->AddPrefixes(std::move(token), is_query, tokens);
    } else if (state_->Finish(token, true)) {
      tokens.push_back(std::move(token));
    }
  };
  switch (state_->splitter) {
    case Splitter::kWord:
    case Splitter::kPrefix:
      ForEachRun(text, IsAlphanumeric, add);
      break;
    case Splitter::kWhitespace:
      ForEachRun(
          text, [](UChar32 c) { return !u_isUWhiteSpace(c); }, add);
      break;
    case Splitter::kMultilingual:
      state_->SplitWords(text, tokens);
      break;
  }
  return tokens;
}

}  // namespace almagest
