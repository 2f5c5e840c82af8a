#include "tests/bench/learning/judged_set.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <sstream>

#include "storage/base/file.h"
#include "storage/base/safetensors.h"

namespace almagest::bench {
namespace {

constexpr char kConcatenated[] = "use-lsa-768";

Result<std::map<std::string, int32_t>> ReadIds(const std::filesystem::path& path,
                                               std::vector<std::string>* texts) {
  ALMAGEST_TRY(const std::string text, ReadFile(path));
  std::map<std::string, int32_t> rows;
  std::istringstream lines(text);
  int32_t row = 0;
  for (std::string line; std::getline(lines, line); ++row) {
    const auto object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object() || !object.contains("id")) {
      return Fail(ErrorCode::kCorruption,
                  path.string() + ": line " + std::to_string(row + 1) + " has no id");
    }
    texts->push_back(object.value("text", ""));
    const auto& id = object["id"];
    rows[id.is_string() ? id.get<std::string>() : id.dump()] = row;
  }
  return rows;
}

Result<Qrels> ReadQrels(const std::filesystem::path& path, const JudgedSet& set) {
  ALMAGEST_TRY(const std::string text, ReadFile(path));
  Qrels qrels;
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);  // Heading.
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string query;
    std::string document;
    std::string grade;
    std::getline(fields, query, '\t');
    std::getline(fields, document, '\t');
    std::getline(fields, grade, '\t');
    const auto query_row = set.query_rows.find(query);
    const auto document_row = set.document_rows.find(document);
    if (query_row == set.query_rows.end() || document_row == set.document_rows.end()) {
      return Fail(ErrorCode::kCorruption, path.string() + ": unknown id in '" + line + "'");
    }
    qrels.query.push_back(query_row->second);
    qrels.document.push_back(document_row->second);
    qrels.grade.push_back(std::strtof(grade.c_str(), nullptr));
  }
  return qrels;
}

Result<std::vector<float>> ReadFloats(const std::filesystem::path& path) {
  ALMAGEST_TRY(const std::string bytes, ReadFile(path));
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

std::vector<float> Concatenate(const std::vector<float>& a, size_t width_a,
                               const std::vector<float>& b, size_t width_b, float factor) {
  std::vector<float> rows;
  for (size_t row = 0; row < a.size() / width_a; ++row) {
    const size_t first = rows.size();
    for (size_t i = 0; i < width_a; ++i) rows.push_back(a[row * width_a + i]);
    for (size_t i = 0; i < width_b; ++i) rows.push_back(factor * b[row * width_b + i]);
    double square = 0;
    for (size_t i = first; i < rows.size(); ++i) square += double{rows[i]} * rows[i];
    const auto scale = static_cast<float>(1 / std::sqrt(std::max(square, 1e-24)));
    for (size_t i = first; i < rows.size(); ++i) rows[i] *= scale;
  }
  return rows;
}

}  // namespace

Result<JudgedSet> ReadJudgedSet(const std::filesystem::path& path) {
  JudgedSet set;
  set.path = path;
  ALMAGEST_TRY(set.document_rows, ReadIds(path / "corpus.jsonl", &set.document_texts));
  ALMAGEST_TRY(set.query_rows, ReadIds(path / "queries.jsonl", &set.query_texts));
  ALMAGEST_TRY(set.train, ReadQrels(path / "qrels" / "train.tsv", set));
  ALMAGEST_TRY(set.test, ReadQrels(path / "qrels" / "test.tsv", set));
  return set;
}

std::vector<std::string> ModelsOf(const JudgedSet& set) {
  constexpr std::string_view kSuffix = ".corpus.f32";
  std::vector<std::string> models;
  for (const auto& entry : std::filesystem::directory_iterator(set.path)) {
    const std::string name = entry.path().filename();
    if (name.ends_with(kSuffix)) models.push_back(name.substr(0, name.size() - kSuffix.size()));
  }
  const auto has = [&](const char* model) { return std::ranges::count(models, model) > 0; };
  if (has("use-lite-512") && has("lsa-256")) models.emplace_back(kConcatenated);
  std::ranges::sort(models);
  return models;
}

Result<ModelVectors> ReadModel(const JudgedSet& set, const std::string& model) {
  if (model == kConcatenated) {
    ALMAGEST_TRY(const ModelVectors use, ReadModel(set, "use-lite-512"));
    ALMAGEST_TRY(const ModelVectors lsa, ReadModel(set, "lsa-256"));
    const auto join = [&](const std::vector<float>& a, const std::vector<float>& b) {
      return Concatenate(a, static_cast<size_t>(use.dimension), b,
                         static_cast<size_t>(lsa.dimension), 0.7f);
    };
    return ModelVectors{use.dimension + lsa.dimension, join(use.documents, lsa.documents),
                        join(use.queries, lsa.queries)};
  }
  ModelVectors vectors;
  ALMAGEST_TRY(vectors.documents, ReadFloats(set.path / (model + ".corpus.f32")));
  ALMAGEST_TRY(vectors.queries, ReadFloats(set.path / (model + ".queries.f32")));
  vectors.dimension = static_cast<int64_t>(vectors.documents.size() / set.document_rows.size());
  if (vectors.queries.size() != set.query_rows.size() * static_cast<size_t>(vectors.dimension)) {
    return Fail(ErrorCode::kCorruption,
                set.path.string() + ": the files of model " + model + " do not fit its lines");
  }
  return vectors;
}

Result<> WriteJobFolder(const std::filesystem::path& path, const ModelVectors& vectors,
                        const Qrels& judgements, const std::string& config) {
  const int64_t d = vectors.dimension;
  const auto rows = [&](const std::vector<float>& values) {
    return static_cast<int64_t>(values.size()) / d;
  };
  SafetensorsWriter matrices;
  matrices.AddFloat32("documents", {rows(vectors.documents), d}, vectors.documents);
  matrices.AddFloat32("queries", {rows(vectors.queries), d}, vectors.queries);
  ALMAGEST_TRY_VOID(matrices.Write(path / "vectors.safetensors"));
  const auto count = static_cast<int64_t>(judgements.query.size());
  const std::vector<float> weight(judgements.query.size(), 1.0f);
  const std::vector<int32_t> user(judgements.query.size(), -1);
  SafetensorsWriter columns;
  columns.AddInt32("query", {count}, judgements.query);
  columns.AddInt32("document", {count}, judgements.document);
  columns.AddFloat32("grade", {count}, judgements.grade);
  columns.AddFloat32("weight", {count}, weight);
  columns.AddInt32("user", {count}, user);
  ALMAGEST_TRY_VOID(columns.Write(path / "judgements.safetensors"));
  return WriteFileAtomically(path / "config.json", config);
}

}  // namespace almagest::bench
