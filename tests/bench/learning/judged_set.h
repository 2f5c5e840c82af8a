// A judged retrieval set on disk: vectors of some models, queries in two splits, judgements.
// Layout of one set: corpus.jsonl and queries.jsonl (with "id"; queries also "split"),
// <model>.corpus.f32 and <model>.queries.f32 (row i = line i), qrels/train.tsv and qrels/test.tsv.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "training/judgements.h"

namespace almagest::bench {

struct Qrels {
  std::vector<int32_t> query;
  std::vector<int32_t> document;
  std::vector<float> grade;
};

struct JudgedSet {
  std::filesystem::path path;
  std::map<std::string, int32_t> document_rows;
  std::map<std::string, int32_t> query_rows;
  std::vector<std::string> document_texts;  // By row; empty where a line has no text.
  std::vector<std::string> query_texts;
  Qrels train;
  Qrels test;
};

struct ModelVectors {
  int64_t dimension = 0;
  std::vector<float> documents;
  std::vector<float> queries;
};

Result<JudgedSet> ReadJudgedSet(const std::filesystem::path& path);

// The models of a set, by their files; with both use-lite-512 and lsa-256 also "use-lsa-768": one
// after the other, the second times 0.7, scaled to length 1.
std::vector<std::string> ModelsOf(const JudgedSet& set);
Result<ModelVectors> ReadModel(const JudgedSet& set, const std::string& model);

// Writes a job folder with the training judgements of weight 1; `config` is config.json's text.
Result<> WriteJobFolder(const std::filesystem::path& path, const ModelVectors& vectors,
                        const Qrels& judgements, const std::string& config);

}  // namespace almagest::bench
