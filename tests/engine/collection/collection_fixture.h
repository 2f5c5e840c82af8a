// What the collection's tests share: a store in memory, a folder, random points and adapters, and
// exact searches over a view.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/collection/collection.h"
#include "storage/base/residual_tensors.h"
#include "storage/memory_store.h"

namespace almagest {

// An empty folder that goes away with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline constexpr uint32_t kTestDimension = 8;

// Vectors: "" (cosine, with graphs), "dot" (4), "euclid" (3), sparse "terms" (idf). seal_rows 20.
CollectionConfig TestConfig();

class CollectionTest : public testing::Test {
 protected:
  void SetUp() override { Reopen(); }
  // Closes the collection and opens it again on the same store and folder.
  void Reopen();
  // Optimizer steps until there is nothing to do.
  void OptimizeAll();

  Result<std::vector<WriteResult>> Write(std::vector<WriteOperation> operations,
                                         std::optional<Durability> durability = {}) {
    return collection->Write(operations, durability);
  }
  // Expects success.
  void Upsert(std::vector<PointInput> points);
  void Delete(std::vector<PointId> ids);

  TemporaryDirectory directory;
  std::unique_ptr<MemoryStore> store = std::make_unique<MemoryStore>();
  CollectionConfig config = TestConfig();
  OpeningLimits limits;
  std::unique_ptr<Collection> collection;
  std::mt19937 random{7};
};

DenseVector RandomVector(std::mt19937& random, uint32_t dimension);
SparseVector RandomSparse(std::mt19937& random, uint32_t terms_max);
// A point with vector "" only.
PointInput RandomPoint(std::mt19937& random, uint64_t id);
DenseVector Normalised(DenseVector vector);

// A random adapter, near the identity: safetensors as the trainer writes it. Without a residual it
// is a file of format_version 1.
std::string RandomAdapter(std::mt19937& random, uint32_t dimension, bool maps_documents,
                          const ResidualTensors& residual = {});
// An mlp (experts 0) or a mixture that matters beside an identity.
ResidualTensors RandomResidual(std::mt19937& random, uint32_t dimension, int64_t hidden,
                               int64_t experts);
// U h(x) of the definition, in double.
std::vector<double> ResidualByHand(const ResidualTensors& residual, const std::vector<double>& x);

// What an exact search over all live rows of the view says: slot -> score, for every live row that
// has the field. Uses the versions' algebra as engine/search does. A slot found twice is an error.
std::map<Slot, float> ScoreAll(const Collection& collection, const std::string& vector_name,
                               const DenseVector& query, std::optional<VersionId> version = {});
// A base query mapped by the query side of a version.
std::vector<float> MappedQuery(const VersionSet& versions, VersionId version,
                               const DenseVector& query);
// The score that the definition gives: q_t . l2(W_t x + b_t), or without l2 for dot.
float DirectScore(const VersionSet& versions, VersionId version, const DenseVector& query,
                  const DenseVector& base);

}  // namespace almagest
