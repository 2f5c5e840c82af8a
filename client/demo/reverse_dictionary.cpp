#include "client/demo/reverse_dictionary.h"

#include <libstemmer.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <memory>
#include <set>

namespace almagest::client {
namespace {

constexpr size_t kWordsMin = 4;
constexpr size_t kWordsMax = 40;
constexpr size_t kSynsetsPerPartMax = 3;
constexpr size_t kTrainDescriptionsPerWord = 2;
constexpr double kNearCopyOverlap = 0.6;
constexpr size_t kDocumentsDefault = 35'000;
constexpr size_t kDocumentsMin = 400;

// A fixed mixing of text and seed (FNV-1a, then the finaliser of SplitMix64): std::hash and
// std::shuffle differ between libraries, and the data must not.
uint64_t MixedHash(std::string_view text, uint64_t seed) {
  uint64_t hash = 0xcbf29ce484222325u ^ (seed * 0x9e3779b97f4a7c15u);
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
  return hash ^ (hash >> 31);
}

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// The Snowball stem of a lower-case English word.
class Stemmer {
 public:
  std::string_view Stem(std::string_view word) const {
    const sb_symbol* stem =
        sb_stemmer_stem(stemmer_.get(), reinterpret_cast<const sb_symbol*>(word.data()),
                        static_cast<int>(word.size()));
    return {reinterpret_cast<const char*>(stem),
            static_cast<size_t>(sb_stemmer_length(stemmer_.get()))};
  }

 private:
  struct Delete {
    void operator()(sb_stemmer* stemmer) const { sb_stemmer_delete(stemmer); }
  };
  std::unique_ptr<sb_stemmer, Delete> stemmer_{sb_stemmer_new("english", "UTF_8")};
};

// Word (or name or phrase, in lower case as dictionary heads are) -> indices of its synsets, for
// words of few enough synsets.
std::map<std::string, std::vector<size_t>> AskableWords(const std::vector<Synset>& synsets) {
  std::map<std::string, std::vector<size_t>> words;
  for (size_t i = 0; i < synsets.size(); ++i) {
    for (const std::string& lemma : synsets[i].lemmas) {
      std::vector<size_t>& answers = words[LowerCase(lemma)];
      if (answers.empty() || answers.back() != i) answers.push_back(i);  // "Cat" and "cat".
    }
  }
  std::erase_if(words, [&](const auto& entry) {
    std::map<std::string_view, size_t> per_part;
    for (const size_t i : entry.second) ++per_part[synsets[i].part_of_speech];
    return std::any_of(per_part.begin(), per_part.end(),
                       [](const auto& part) { return part.second > kSynsetsPerPartMax; });
  });
  return words;
}

bool FromWebster1913(const Definition& definition) {
  return definition.source == "1913 Webster" || definition.source == "Webster 1913 Suppl.";
}

bool IsGoodDescription(const Definition& definition, const std::vector<Synset>& synsets,
                       const std::vector<size_t>& answers) {
  if (!FromWebster1913(definition) || OnlyRefersElsewhere(definition.text)) return false;
  const size_t words = Words(definition.text).size();
  if (words < kWordsMin || words > kWordsMax) return false;
  if (NamesHeadword(definition.text, definition.headword)) return false;
  return std::none_of(answers.begin(), answers.end(), [&](size_t i) {
    return WordOverlap(definition.text, synsets[i].gloss) >= kNearCopyOverlap;
  });
}

}  // namespace

bool NamesHeadword(std::string_view text, std::string_view headword) {
  thread_local const Stemmer stemmer;  // Not to be shared by threads; 10 us to make.
  std::set<std::string, std::less<>> stems;
  for (const std::string& head : Words(headword)) stems.emplace(stemmer.Stem(head));
  const std::vector<std::string> words = Words(text);
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return stems.contains(stemmer.Stem(word)); });
}

bool OnlyRefersElsewhere(std::string_view text) {
  constexpr std::array<std::string_view, 20> kReferences = {
      "See ",       "Same as ",        "The same as ",  "Alt. of ",   "Pl. of ",
      "pl. of ",    "imp. ",           "p. p. ",        "p. pr. ",    "Imp. ",
      "P. p. ",     "Var. of ",        "A variant of ", "A form of ", "Obs. ",
      "Contr. of ", "Contraction of ", "compar. ",      "superl. ",   "a. & "};
  return std::any_of(kReferences.begin(), kReferences.end(),
                     [&](std::string_view reference) { return text.starts_with(reference); });
}

double WordOverlap(std::string_view a, std::string_view b) {
  const std::vector<std::string> words_a = Words(a), words_b = Words(b);
  const std::set<std::string> set_a(words_a.begin(), words_a.end());
  const std::set<std::string> set_b(words_b.begin(), words_b.end());
  size_t both = 0;
  for (const std::string& word : set_a) both += set_b.count(word);
  const size_t either = set_a.size() + set_b.size() - both;
  return either == 0 ? 0 : static_cast<double>(both) / static_cast<double>(either);
}

ReverseDictionaryOptions ReverseDictionaryOfSize(size_t documents) {
  ReverseDictionaryOptions options;
  options.documents = std::max(documents, kDocumentsMin);
  if (options.documents < kDocumentsDefault) {
    options.train_queries = options.train_queries * options.documents / kDocumentsDefault;
    options.test_queries = options.test_queries * options.documents / kDocumentsDefault;
  }
  return options;
}

ReverseDictionary MakeReverseDictionary(const std::vector<Synset>& synsets,
                                        const std::vector<Definition>& definitions,
                                        const ReverseDictionaryOptions& options) {
  const auto askable = AskableWords(synsets);
  std::map<std::string, std::vector<std::string>> described;  // Word -> its good descriptions.
  for (const Definition& definition : definitions) {
    const auto word = askable.find(definition.headword);
    if (word == askable.end() || !IsGoodDescription(definition, synsets, word->second)) continue;
    std::vector<std::string>& texts = described[definition.headword];
    if (std::find(texts.begin(), texts.end(), definition.text) == texts.end()) {
      texts.push_back(definition.text);
    }
  }
  std::vector<std::pair<uint64_t, std::string>> order;  // Words, shuffled.
  for (const auto& [word, texts] : described) {
    order.emplace_back(MixedHash(word, options.seed), word);
  }
  std::sort(order.begin(), order.end());

  ReverseDictionary made;
  std::set<size_t> relevant_to_test, relevant;
  const auto describe = [&](const std::string& word, const std::string& text) {
    DescribedWord query{word, text, {}};
    for (const size_t i : askable.at(word)) query.relevant.push_back(synsets[i].id);
    std::sort(query.relevant.begin(), query.relevant.end());
    return query;
  };
  for (const auto& [hash, word] : order) {
    std::vector<std::string> texts = described.at(word);
    std::sort(texts.begin(), texts.end(), [&](const std::string& a, const std::string& b) {
      return std::pair(MixedHash(a, options.seed), a) < std::pair(MixedHash(b, options.seed), b);
    });
    const std::vector<size_t>& answers = askable.at(word);
    if (made.test.size() < options.test_queries) {
      made.test.push_back(describe(word, texts.front()));
      relevant_to_test.insert(answers.begin(), answers.end());
    } else if (std::none_of(answers.begin(), answers.end(),
                            [&](size_t i) { return relevant_to_test.contains(i); })) {
      for (size_t t = 0; t < texts.size() && t < kTrainDescriptionsPerWord; ++t) {
        if (made.train.size() < options.train_queries) {
          made.train.push_back(describe(word, texts[t]));
        }
      }
    } else {
      continue;
    }
    relevant.insert(answers.begin(), answers.end());
    if (made.train.size() >= options.train_queries) break;
  }

  std::vector<std::pair<uint64_t, size_t>> rest;  // The other synsets, shuffled.
  for (size_t i = 0; i < synsets.size(); ++i) {
    if (!relevant.contains(i)) {
      rest.emplace_back(MixedHash(std::to_string(synsets[i].id), options.seed), i);
    }
  }
  std::sort(rest.begin(), rest.end());
  std::set<size_t> chosen = relevant;
  for (const auto& [hash, i] : rest) {
    if (chosen.size() >= options.documents) break;
    chosen.insert(i);
  }
  for (const size_t i : chosen) made.documents.push_back(synsets[i]);
  std::sort(made.documents.begin(), made.documents.end(),
            [](const Synset& a, const Synset& b) { return a.id < b.id; });
  return made;
}

}  // namespace almagest::client
