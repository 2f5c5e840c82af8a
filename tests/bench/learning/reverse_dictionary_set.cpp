#include "tests/bench/learning/reverse_dictionary_set.h"

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "client/demo/reverse_dictionary.h"
#include "engine/text/use_lite.h"
#include "storage/base/checksum.h"
#include "storage/base/file.h"

namespace almagest::bench {
namespace {

namespace fs = std::filesystem;
using client::DescribedWord;
using nlohmann::json;

constexpr char kFinished[] = "finished";

// The set as texts.
struct SetFiles {
  std::string corpus, queries, train, test;
  std::vector<std::string> glosses, descriptions;

  // Changes with every rule by which the data are made.
  std::string Fingerprint() const {
    const std::string all = corpus + queries + train + test;
    return std::to_string(Checksum(all.data(), all.size()));
  }
};

SetFiles MakeFiles(const client::ReverseDictionary& data) {
  SetFiles files;
  for (const client::Synset& synset : data.documents) {
    files.corpus += json{{"id", std::to_string(synset.id)}, {"text", synset.gloss}}.dump() + "\n";
    files.glosses.push_back(synset.gloss);
  }
  const auto add = [&](const std::vector<DescribedWord>& words, const std::string& split) {
    std::string qrels = "query-id\tcorpus-id\tscore\n";
    for (const DescribedWord& word : words) {
      const std::string id = "q" + std::to_string(files.descriptions.size());
      files.queries += json{{"id", id}, {"text", word.description}, {"split", split}}.dump() + "\n";
      files.descriptions.push_back(word.description);
      for (const uint64_t synset : word.relevant) {
        qrels += id + "\t" + std::to_string(synset) + "\t1\n";
      }
    }
    return qrels;
  };
  files.train = add(data.train, "train");
  files.test = add(data.test, "test");
  return files;
}

Result<> WriteVectors(const UseLite& encoder, const std::vector<std::string>& texts,
                      const fs::path& path) {
  ALMAGEST_TRY(const std::vector<float> vectors, encoder.Encode(texts, 2));
  const auto bytes = std::as_bytes(std::span(vectors));
  return WriteFileAtomically(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Result<> Write(const SetFiles& files, const fs::path& models, const fs::path& folder) {
  ALMAGEST_TRY(const UseLite encoder, UseLite::Load(models));
  fs::create_directories(folder / "qrels");
  fs::remove(folder / kFinished);
  ALMAGEST_TRY_VOID(WriteFileAtomically(folder / "corpus.jsonl", files.corpus));
  ALMAGEST_TRY_VOID(WriteFileAtomically(folder / "queries.jsonl", files.queries));
  ALMAGEST_TRY_VOID(WriteFileAtomically(folder / "qrels" / "train.tsv", files.train));
  ALMAGEST_TRY_VOID(WriteFileAtomically(folder / "qrels" / "test.tsv", files.test));
  ALMAGEST_TRY_VOID(WriteVectors(encoder, files.glosses, folder / "use-lite-512.corpus.f32"));
  ALMAGEST_TRY_VOID(WriteVectors(encoder, files.descriptions, folder / "use-lite-512.queries.f32"));
  return WriteFileAtomically(folder / kFinished, files.Fingerprint());
}

}  // namespace

Result<> WriteReverseDictionarySet(const DictionarySources& sources, const fs::path& folder) {
  try {
    const SetFiles files = MakeFiles(client::MakeReverseDictionary(
        client::ReadWordNet(sources.wordnet), client::ReadGcide(sources.gcide), {}));
    const auto finished = ReadFile(folder / kFinished);
    if (finished && *finished == files.Fingerprint()) return {};
    return Write(files, sources.models, folder);
  } catch (const std::exception& error) {  // ClientError and those of the file system.
    return Fail(ErrorCode::kNotFound, error.what());
  }
}

}  // namespace almagest::bench
