// Job folders for tests, generated from a seed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace almagest::training {

// A temporary folder, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct SyntheticJob {
  int64_t dimension = 24;
  std::vector<float> documents;  // [N, dimension], length 1.
  std::vector<float> queries;    // [Q, dimension], length 1.
  std::vector<int32_t> query, document, user;
  std::vector<float> grade, weight;
  nlohmann::json config;

  // Writes every input file.
  void Write(const std::filesystem::path& folder) const;
};

// Appends the vector, scaled to length 1.
void AppendUnit(const std::vector<double>& vector, std::vector<float>* rows);

// Documents are random; each query is a fixed linear map of one document plus noise, so base
// vectors find it badly and a learned map finds it well. One judgement a query.
SyntheticJob MakeSyntheticJob(uint64_t seed, size_t documents = 600, size_t queries = 700);

std::string ReadText(const std::filesystem::path& path);
nlohmann::json ReadJson(const std::filesystem::path& path);

}  // namespace almagest::training
