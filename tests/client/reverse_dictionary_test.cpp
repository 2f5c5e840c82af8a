#include "client/demo/reverse_dictionary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace almagest::client {
namespace {

TEST(ReverseDictionaryParts, WhatNamesTheHeadword) {
  EXPECT_TRUE(NamesHeadword("The act of perverting", "perverted"));
  EXPECT_TRUE(NamesHeadword("The quality of being visible", "visibility"));
  EXPECT_TRUE(NamesHeadword("The state of being rare", "rareness"));
  EXPECT_TRUE(NamesHeadword("Two cats", "cat"));
  EXPECT_TRUE(NamesHeadword("A sort of Cat", "cat"));
  EXPECT_FALSE(NamesHeadword("A wagon that carries water", "train"));
  EXPECT_TRUE(NamesHeadword("A creature of the seas", "sea urchin"));
  EXPECT_FALSE(NamesHeadword("To catch fish", "cat"));
  EXPECT_FALSE(NamesHeadword("", "cat"));
}

TEST(ReverseDictionaryParts, WhatOnlyRefersElsewhere) {
  EXPECT_TRUE(OnlyRefersElsewhere("See Morisco"));
  EXPECT_TRUE(OnlyRefersElsewhere("Same as Basedow's disease"));
  EXPECT_FALSE(OnlyRefersElsewhere("Seen from afar"));
}

TEST(ReverseDictionaryParts, WordOverlap) {
  EXPECT_DOUBLE_EQ(WordOverlap("a b c", "A, B; c."), 1);
  EXPECT_DOUBLE_EQ(WordOverlap("a b", "b c d"), 0.25);
  EXPECT_DOUBLE_EQ(WordOverlap("", ""), 0);
}

// 400 words in pairs that share a synset ("wordaa" and "wordab"), two definitions each.
std::string Word(size_t i) {
  return std::string("word") + static_cast<char>('a' + i / 26 % 26) +
         static_cast<char>('a' + i % 26) + static_cast<char>('q' + i / 676);
}

struct Input {
  std::vector<Synset> synsets;
  std::vector<Definition> definitions;
};

Input MakeInput() {
  Input input;
  for (size_t i = 0; i < 400; ++i) {
    Synset own;
    own.id = 100 + i;
    own.lemmas = {Word(i)};
    own.part_of_speech = "noun";
    own.gloss = "gloss number " + std::to_string(i);
    input.synsets.push_back(own);
    if (i % 2 == 0) {
      Synset shared;
      shared.id = 10'000 + i;
      shared.lemmas = {Word(i), Word(i + 1)};
      shared.part_of_speech = "verb";
      shared.gloss = "shared by a pair";
      input.synsets.push_back(shared);
    }
    for (const char* text : {"Something that people might say", "Another thing for all of us"}) {
      input.definitions.push_back({Word(i), text, "1913 Webster"});
    }
  }
  for (size_t i = 0; i < 300; ++i) {
    Synset other;
    other.id = 20'000 + i;
    other.lemmas = {"Name " + std::to_string(i)};
    other.part_of_speech = "noun";
    input.synsets.push_back(other);
  }
  return input;
}

ReverseDictionaryOptions Options(uint64_t seed) {
  return {.documents = 600, .train_queries = 300, .test_queries = 60, .seed = seed};
}

TEST(ReverseDictionary, TrainAndTestShareNoWordAndNoAnswer) {
  const Input input = MakeInput();
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    const auto made = MakeReverseDictionary(input.synsets, input.definitions, Options(seed));
    ASSERT_EQ(made.test.size(), 60u);
    ASSERT_EQ(made.train.size(), 300u);
    std::set<std::string> test_words;
    std::set<uint64_t> test_answers, documents;
    for (const Synset& synset : made.documents) documents.insert(synset.id);
    EXPECT_EQ(documents.size(), 600u);
    for (const DescribedWord& query : made.test) {
      EXPECT_TRUE(test_words.insert(query.word).second) << "one query a word";
      test_answers.insert(query.relevant.begin(), query.relevant.end());
      EXPECT_EQ(query.relevant.size(), 2u);
    }
    for (const DescribedWord& query : made.train) {
      EXPECT_FALSE(test_words.contains(query.word));
      for (const uint64_t id : query.relevant) {
        EXPECT_FALSE(test_answers.contains(id));
        EXPECT_TRUE(documents.contains(id));
      }
    }
    for (const uint64_t id : test_answers) EXPECT_TRUE(documents.contains(id));
  }
}

TEST(ReverseDictionary, TheSeedAloneDecides) {
  Input input = MakeInput();
  const auto first = MakeReverseDictionary(input.synsets, input.definitions, Options(1));
  // The order of definitions must not matter, only their text.
  std::reverse(input.definitions.begin(), input.definitions.end());
  const auto second = MakeReverseDictionary(input.synsets, input.definitions, Options(1));
  const auto other = MakeReverseDictionary(input.synsets, input.definitions, Options(2));
  const auto words = [](const std::vector<DescribedWord>& queries) {
    std::vector<std::string> list;
    for (const DescribedWord& query : queries) list.push_back(query.word + ":" + query.description);
    return list;
  };
  EXPECT_EQ(words(first.test), words(second.test));
  EXPECT_EQ(words(first.train), words(second.train));
  EXPECT_NE(words(first.test), words(other.test));
  // Pinned: the data must be the same on every machine and with every standard library.
  EXPECT_EQ(first.test.front().word, "wordgeq");
}

TEST(ReverseDictionary, LeavesOutWhatIsNoGoodDescription) {
  std::vector<Synset> synsets(5);
  for (size_t i = 0; i < synsets.size(); ++i) {
    synsets[i].id = i + 1;
    synsets[i].part_of_speech = "noun";
    synsets[i].gloss = "a small bright lamp for reading";
  }
  synsets[0].lemmas = {"lantern"};
  for (size_t i = 1; i < 5; ++i) synsets[i].lemmas = {"common"};  // Four nouns: too many.
  const std::string good = "That which shows the way";
  const std::vector<Definition> definitions = {
      {"lantern", "A thing", "1913 Webster"},                               // Too short.
      {"lantern", "See the other thing over there", "1913 Webster"},        // Refers.
      {"lantern", "A small bright lamp used for reading", "1913 Webster"},  // Copies the gloss.
      {"lantern", "The light of a lantern at night", "1913 Webster"},       // Names it.
      {"lantern", "That which somebody else has written", "WordNet 1.5"},
      {"lantern", good, "1913 Webster"},
      {"common", "Known to all of the people", "1913 Webster"},
      {"unknown", "Not known to any of them", "1913 Webster"}};
  const auto made = MakeReverseDictionary(
      synsets, definitions, {.documents = 5, .train_queries = 10, .test_queries = 10, .seed = 1});
  ASSERT_EQ(made.test.size(), 1u);
  EXPECT_EQ(made.test[0].description, good);
  EXPECT_TRUE(made.train.empty());
}

TEST(ReverseDictionary, SmallerSizesKeepTheProportions) {
  const auto whole = ReverseDictionaryOfSize(35'000);
  EXPECT_EQ(whole.train_queries, 8'000u);
  EXPECT_EQ(whole.test_queries, 1'500u);
  const auto tenth = ReverseDictionaryOfSize(3'500);
  EXPECT_EQ(tenth.documents, 3'500u);
  EXPECT_EQ(tenth.train_queries, 800u);
  EXPECT_EQ(tenth.test_queries, 150u);
  EXPECT_EQ(ReverseDictionaryOfSize(100'000).train_queries, 8'000u);
}

}  // namespace
}  // namespace almagest::client
