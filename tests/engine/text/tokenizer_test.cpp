#include "engine/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace almagest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> Split(const TokenizerOptions& options, std::string_view text,
                               bool is_query = false) {
  auto tokenizer = Tokenizer::Create(options);
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return tokenizer ? tokenizer->Split(text, is_query) : std::vector<std::string>();
}

void ExpectRefused(const TokenizerOptions& options, const char* option, const char* value) {
  const auto tokenizer = Tokenizer::Create(options);
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code, ErrorCode::kOutOfRange);
  EXPECT_THAT(tokenizer.error().message, HasSubstr(option));
  EXPECT_THAT(tokenizer.error().message, HasSubstr(value));
}

TEST(Tokenizer, DefaultsAreEnglishWordsStemmedWithoutStopWords) {
  EXPECT_THAT(Split({}, "The Cats are running, don't they?"), ElementsAre("cat", "run"));
  EXPECT_THAT(Split({},
                    "x2 \xC3\x89"
                    "cole_42"),
              ElementsAre("x2",
                          "\xC3\xA9"
                          "cole",
                          "42"));
  EXPECT_THAT(Split({}, "the of and ... !"), ElementsAre());
  EXPECT_THAT(Split({}, ""), ElementsAre());
  EXPECT_THAT(Split({},
                    "cat\xFF\xFE"
                    "dog"),
              ElementsAre("cat", "dog"));
}

TEST(Tokenizer, EachSplitter) {
  TokenizerOptions options;
  options.language = "none";
  options.tokenizer = "whitespace";
  EXPECT_THAT(Split(options, "a-b  c,\td"), ElementsAre("a-b", "c,", "d"));
  options.tokenizer = "prefix";
  EXPECT_THAT(Split(options, "abc d"), ElementsAre("a", "ab", "abc", "d"));
  EXPECT_THAT(Split(options, "abc d", true), ElementsAre("abc", "d"));
  options.min_token_len = 2;
  options.max_token_len = 3;
  EXPECT_THAT(Split(options, "abcd e"), ElementsAre("ab", "abc"));
  EXPECT_THAT(Split(options, "abcd e", true), ElementsAre("abc"));
  options = {};
  options.language = "none";
  options.tokenizer = "multilingual";
  EXPECT_THAT(Split(options, "Hello, world"), ElementsAre("hello", "world"));
  // Chinese without spaces: "Chinese language" and "segment words".
  EXPECT_THAT(Split(options, "\xE4\xB8\xAD\xE6\x96\x87\xE5\x88\x86\xE8\xAF\x8D"),
              ElementsAre("\xE4\xB8\xAD\xE6\x96\x87", "\xE5\x88\x86\xE8\xAF\x8D"));
}

TEST(Tokenizer, LanguageSetsStemmerAndStopWords) {
  TokenizerOptions options;
  options.language = "german";
  EXPECT_THAT(Split(options, "the H\xC3\xA4user"), ElementsAre("the", "haus"));
  EXPECT_THAT(Split(options, "und die H\xC3\xA4user"), ElementsAre("haus"));
  options.language = "none";
  EXPECT_THAT(Split(options, "the running"), ElementsAre("the", "running"));
  options.language = "japanese";  // Known, without a stemmer.
  EXPECT_THAT(Split(options, "running"), ElementsAre("running"));
  options.language = "english";
  options.stemmer = "none";
  EXPECT_THAT(Split(options, "the running"), ElementsAre("running"));
  options.stemmer = "english";
  options.stopwords = StopWords{};
  EXPECT_THAT(Split(options, "the running"), ElementsAre("the", "run"));
  options.stopwords = StopWords{{"english"}, {"Running"}};
  EXPECT_THAT(Split(options, "the running dogs"), ElementsAre("dog"));
}

TEST(Tokenizer, CaseFoldingAndLength) {
  TokenizerOptions options;
  options.language = "none";
  options.lowercase = false;
  EXPECT_THAT(Split(options, "The Cat"), ElementsAre("The", "Cat"));
  options.lowercase = true;
  options.ascii_folding = true;
  EXPECT_THAT(Split(options,
                    "A\xC3\xA7\xC3\xA3o Stra\xC3\x9F"
                    "e \xC3\x86"),
              ElementsAre("acao", "strasse", "ae"));
  options.ascii_folding = false;
  options.min_token_len = 2;
  options.max_token_len = 3;
  EXPECT_THAT(Split(options, "a ab \xC3\xA9\xC3\xA9\xC3\xA9 abcd"),
              ElementsAre("ab", "\xC3\xA9\xC3\xA9\xC3\xA9"));
}

TEST(Tokenizer, RefusesUnknownValuesByName) {
  TokenizerOptions options;
  options.tokenizer = "syllable";
  ExpectRefused(options, "tokenizer", "syllable");
  options = {};
  options.language = "klingon";
  ExpectRefused(options, "language", "klingon");
  options = {};
  options.stemmer = "porter9";
  ExpectRefused(options, "stemmer", "porter9");
  options = {};
  options.stopwords = StopWords{{"hebrew"}, {}};
  ExpectRefused(options, "stopwords.languages", "hebrew");
  options = {};
  options.min_token_len = 5;
  options.max_token_len = 4;
  ExpectRefused(options, "max_token_len", "4");
}

TEST(Tokenizer, EveryStemmerOfTheListExists) {
  for (const char* name : {"arabic", "armenian", "danish", "dutch", "english", "finnish", "french",
                           "german", "greek", "hungarian", "italian", "norwegian", "portuguese",
                           "romanian", "russian", "spanish", "swedish", "tamil", "turkish"}) {
    TokenizerOptions options;
    options.language = name;
    EXPECT_TRUE(Tokenizer::Create(options)) << name;
  }
}

}  // namespace
}  // namespace almagest
