// BM25 sets from real text.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <unordered_map>

#include "client/demo/reverse_dictionary.h"
#include "engine/text/bm25.h"
#include "storage/base/check.h"
#include "tests/bench/sparse/sparse_data.h"

namespace almagest::bench {
namespace {

Bm25 Model(double average_length) {
  Bm25Options options;
  options.avg_len = average_length;
  Result<Bm25> model = Bm25::Create(options);
  ALMAGEST_CHECK(model.has_value());
  return *std::move(model);
}

double AverageTokens(const std::vector<std::string>& texts) {
  Result<Tokenizer> tokenizer = Tokenizer::Create({});
  ALMAGEST_CHECK(tokenizer.has_value());
  size_t tokens = 0;
  for (const std::string& text : texts) tokens += tokenizer->Split(text, false).size();
  return std::max(1.0, static_cast<double>(tokens) / static_cast<double>(texts.size()));
}

// The weights that a collection with the modifier idf searches for.
SparseData Encode(std::string name, const std::vector<std::string>& documents,
                  const std::vector<std::string>& queries) {
  const Bm25 model = Model(AverageTokens(documents));
  SparseData data;
  data.name = std::move(name);
  std::unordered_map<uint32_t, double> frequencies;
  for (const std::string& text : documents) {
    const SparseTerms terms = model.Document(text);
    for (const uint32_t term : terms.indices) frequencies[term] += 1.0;
    data.documents.Add(terms.indices, terms.values);
  }
  const auto count = static_cast<double>(documents.size());
  for (const std::string& text : queries) {
    SparseTerms terms = model.Query(text);
    for (size_t i = 0; i < terms.indices.size(); ++i) {
      const auto found = frequencies.find(terms.indices[i]);
      const double frequency = found == frequencies.end() ? 0.0 : found->second;
      terms.values[i] *=
          static_cast<float>(std::log((count - frequency + 0.5) / (frequency + 0.5) + 1.0));
    }
    data.queries.Add(terms.indices, terms.values);
  }
  return data;
}

std::vector<std::string> ReadTexts(const std::filesystem::path& path, size_t texts_max) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::vector<std::string> texts;
  for (std::string line; texts.size() < texts_max && std::getline(file, line);) {
    const auto object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object() || !object.contains("text") || !object["text"].is_string()) {
      throw std::runtime_error("line " + std::to_string(texts.size() + 1) + " of " + path.string() +
                               " is no object with a \"text\"");
    }
    texts.push_back(object["text"].get<std::string>());
  }
  if (texts.empty()) throw std::runtime_error(path.string() + " holds no texts");
  return texts;
}

}  // namespace

void SparseRows::Add(std::span<const uint32_t> terms, std::span<const float> weights) {
  terms_.insert(terms_.end(), terms.begin(), terms.end());
  weights_.insert(weights_.end(), weights.begin(), weights.end());
  first_.push_back(terms_.size());
}

SparseData ReadReverseDictionarySet(const std::filesystem::path& wordnet,
                                    const std::filesystem::path& gcide, size_t queries_max) {
  const auto synsets = client::ReadWordNet(wordnet);
  client::ReverseDictionaryOptions options;
  options.documents = synsets.size();
  const auto dictionary = client::MakeReverseDictionary(synsets, client::ReadGcide(gcide), options);
  std::vector<std::string> documents;
  for (const client::Synset& synset : synsets) documents.push_back(synset.gloss);
  std::vector<std::string> queries;
  for (const client::DescribedWord& word : dictionary.test) {
    if (queries.size() < queries_max) queries.push_back(word.description);
  }
  return Encode("reverse-dictionary", documents, queries);
}

SparseData ReadJudgedSet(const std::filesystem::path& folder, size_t queries_max) {
  const std::filesystem::path whole = std::filesystem::weakly_canonical(folder);
  return Encode(whole.filename().string(), ReadTexts(whole / "corpus.jsonl", SIZE_MAX),
                ReadTexts(whole / "queries.jsonl", queries_max));
}

}  // namespace almagest::bench
