// The demo's data: describe a thing, get the word. Documents are WordNet synsets, queries are the
// definitions of an independent dictionary (Webster 1913, in GCIDE); the right answers for a
// definition of a word are the synsets that contain it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/demo/gcide_reader.h"
#include "client/demo/wordnet_reader.h"

namespace almagest::client {

struct DescribedWord {
  std::string word;
  std::string description;
  std::vector<uint64_t> relevant;  // Ids of the synsets that contain the word; ascending.
};

struct ReverseDictionary {
  std::vector<Synset> documents;     // Ascending ids: every relevant synset and a random rest.
  std::vector<DescribedWord> train;  // Up to two descriptions of a word.
  std::vector<DescribedWord> test;   // One description a word; no word and no relevant synset of
                                     // these occurs in `train`.
};

struct ReverseDictionaryOptions {
  size_t documents = 35'000;
  size_t train_queries = 8'000;
  size_t test_queries = 1'500;
  uint64_t seed = 1;
};

// The default sizes in proportion to a collection of `documents` (at least 400).
ReverseDictionaryOptions ReverseDictionaryOfSize(size_t documents);

// Deterministic: the same input, options and seed give the same result on every machine. Keeps
// definitions from Webster 1913 and its Supplement (GCIDE also holds WordNet 1.5's own glosses) of
// 4 to 40 words, that neither name their headword nor only refer elsewhere nor nearly copy a gloss
// of their answer; and words (names and phrases too) of at most three synsets per part of speech.
ReverseDictionary MakeReverseDictionary(const std::vector<Synset>& synsets,
                                        const std::vector<Definition>& definitions,
                                        const ReverseDictionaryOptions& options);

// ---- Parts, for tests --------------------------------------------------------------------------
// Whether a word of `text` has the Snowball stem of a word of `headword`.
bool NamesHeadword(std::string_view text, std::string_view headword);
// "See Morisco", "Same as Basedow's disease", "Pl. of Genus".
bool OnlyRefersElsewhere(std::string_view text);
// Distinct lower-case words in both over words in either; 0 when both are empty.
double WordOverlap(std::string_view a, std::string_view b);

}  // namespace almagest::client
