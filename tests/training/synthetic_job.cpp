#include "tests/training/synthetic_job.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>
#include <random>

#include "storage/base/file.h"
#include "storage/base/safetensors.h"

namespace almagest::training {
void AppendUnit(const std::vector<double>& vector, std::vector<float>* rows) {
  double square = 0;
  for (const double value : vector) square += value * value;
  for (const double value : vector) {
    rows->push_back(static_cast<float>(value / std::sqrt(square)));
  }
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "almagest-training-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary folder " << name;
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

SyntheticJob MakeSyntheticJob(uint64_t seed, size_t documents, size_t queries) {
  SyntheticJob job;
  const auto d = static_cast<size_t>(job.dimension);
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> map(d * d);
  for (size_t i = 0; i < d * d; ++i) {
    map[i] = normal(random) * 0.3 + (i % (d + 1) == 0 ? 1.0 : 0.0);
  }
  std::vector<double> vector(d);
  for (size_t row = 0; row < documents; ++row) {
    for (double& value : vector) value = normal(random);
    AppendUnit(vector, &job.documents);
  }
  for (size_t row = 0; row < queries; ++row) {
    const size_t answer = random() % documents;
    for (size_t i = 0; i < d; ++i) {
      vector[i] = 0.06 * normal(random);
      for (size_t j = 0; j < d; ++j) vector[i] += map[i * d + j] * job.documents[answer * d + j];
    }
    AppendUnit(vector, &job.queries);
    job.query.push_back(static_cast<int32_t>(row));
    job.document.push_back(static_cast<int32_t>(answer));
    job.grade.push_back(1);
    job.weight.push_back(1);
    job.user.push_back(static_cast<int32_t>(row % 50));
  }
  job.config = {{"format_version", 1},
                {"job_id", "test"},
                {"dimension", job.dimension},
                {"seed", 7},
                {"threads", 1},
                {"device", "cpu"},
                {"options", {{"steps_max", 150}, {"batch_size", 64}, {"random_negatives", 64}}},
                {"gate", {{"queries_min", 50}}}};
  return job;
}

void SyntheticJob::Write(const std::filesystem::path& folder) const {
  const auto rows = [&](const std::vector<float>& values) {
    return static_cast<int64_t>(values.size()) / dimension;
  };
  SafetensorsWriter vectors;
  vectors.AddFloat32("documents", {rows(documents), dimension}, documents);
  vectors.AddFloat32("queries", {rows(queries), dimension}, queries);
  ASSERT_TRUE(vectors.Write(folder / "vectors.safetensors"));
  const auto count = static_cast<int64_t>(query.size());
  SafetensorsWriter judgements;
  judgements.AddInt32("query", {count}, query);
  judgements.AddInt32("document", {count}, document);
  judgements.AddFloat32("grade", {count}, grade);
  judgements.AddFloat32("weight", {count}, weight);
  judgements.AddInt32("user", {count}, user);
  ASSERT_TRUE(judgements.Write(folder / "judgements.safetensors"));
  std::vector<int64_t> events;
  for (int64_t row = 0; row < rows(queries); ++row) events.push_back(row + 1000);
  SafetensorsWriter names;
  names.AddInt64("event", {rows(queries)}, events);
  ASSERT_TRUE(names.Write(folder / "query_names.safetensors"));
  ASSERT_TRUE(WriteFileAtomically(folder / "config.json", config.dump()));
}

std::string ReadText(const std::filesystem::path& path) {
  const auto text = ReadFile(path);
  EXPECT_TRUE(text.has_value()) << path;
  return text.value_or("");
}

nlohmann::json ReadJson(const std::filesystem::path& path) {
  return nlohmann::json::parse(ReadText(path), nullptr, false);
}

}  // namespace almagest::training
