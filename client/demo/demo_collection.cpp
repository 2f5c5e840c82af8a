#include "client/demo/demo_collection.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "client/commands/batch_uploader.h"
#include "client/commands/text_table.h"

namespace almagest::client {
namespace {

constexpr uint32_t kDimension = 512;
constexpr uint32_t kBatchPoints = 256;
constexpr unsigned kConnections = 2;

bool IsStopWord(const std::string& word) {
  constexpr std::array<std::string_view, 33> kStopWords = {
      "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
      "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
      "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};
  return std::find(kStopWords.begin(), kStopWords.end(), word) != kStopWords.end();
}

size_t TermCount(std::string_view text) {
  size_t count = 0;
  std::string word;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ' ';
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!word.empty()) {
      count += IsStopWord(word) ? 0 : 1;
      word.clear();
    }
  }
  return count;
}

}  // namespace

void CreateDemoCollection(Client& client) {
  client.DropCollection(kDemoCollection);
  client.CreateCollection(
      kDemoCollection,
      {{"vectors", {{kDemoDenseVector, {{"size", kDimension}, {"distance", "Cosine"}}}}},
       {"sparse_vectors", {{kDemoSparseVector, {{"modifier", "idf"}}}}}});
  for (const char* field : {"lemmas", "pos", "lexname"}) {
    client.CreatePayloadIndex(kDemoCollection, field, "keyword");
  }
}

double MeanTermCount(const std::vector<Synset>& documents) {
  size_t terms = 0;
  for (const Synset& synset : documents) terms += TermCount(synset.gloss);
  return documents.empty()
             ? 1.0
             : std::max(1.0, static_cast<double>(terms) / static_cast<double>(documents.size()));
}

void LoadDemoCollection(const ClientOptions& options, const std::vector<Synset>& documents) {
  const double average = std::round(MeanTermCount(documents) * 10) / 10;
  ProgressBar progress("loading", documents.size(), "synsets");
  BatchUploader::Options upload;
  upload.client = options;
  upload.collection = kDemoCollection;
  upload.batch_points = kBatchPoints;
  upload.connections = kConnections;
  BatchUploader uploader(std::move(upload), progress);
  for (const Synset& synset : documents) {
    Json sparse = TextVector(synset.gloss, kSparseTextModel);
    sparse["options"] = {{"avg_len", average}};
    const Json point = {{"id", synset.id},
                        {"vector",
                         {{kDemoDenseVector, TextVector(synset.gloss, kDenseTextModel)},
                          {kDemoSparseVector, sparse}}},
                        {"payload",
                         {{"lemmas", synset.lemmas},
                          {"pos", synset.part_of_speech},
                          {"lexname", synset.lexname},
                          {"gloss", synset.gloss}}}};
    uploader.Add(point.dump(), "synset " + std::to_string(synset.id));
  }
  uploader.Finish();
  progress.Finish();
}

Json DemoDenseQuery(const Json& target, uint32_t limit) {
  Json node = NearestNode(target, kDemoDenseVector, limit);
  return node;
}

Json DemoSparseQuery(const Json& target, uint32_t limit) {
  return NearestNode(target, kDemoSparseVector, limit);
}

Json DemoHybridQuery(const Json& dense_target, const Json& sparse_target, uint32_t limit) {
  Json node = HybridNode(dense_target, kDemoDenseVector, sparse_target, kDemoSparseVector,
                         kDemoDepth, limit);
  return node;
}

std::string WordsFound(const QueryAnswer& answer) {
  std::string words;
  for (const Json& point : answer.points) {
    const Json lemmas = point.value("payload", Json::object()).value("lemmas", Json::array());
    if (lemmas.empty()) continue;
    words += (words.empty() ? "" : ", ") + lemmas.front().get<std::string>();
  }
  return words.empty() ? "(nothing)" : words;
}

}  // namespace almagest::client
