#include "tests/bench/bench_data.h"

#include <algorithm>
#include <random>

#include "client/vector_files.h"
#include "engine/index/exact_scan.h"
#include "storage/base/check.h"

namespace almagest::bench {
namespace {

constexpr uint32_t kBatch = 1000;
constexpr uint32_t kInnerDimensions = 12;

}  // namespace

AnnData MakeClusteredData(uint32_t rows, uint32_t queries, uint32_t dimension, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto uniform = [&random] {
    return static_cast<float>(static_cast<double>(random() >> 40) / (1 << 23) - 1.0);
  };
  std::vector<float> basis(size_t{kInnerDimensions} * dimension);
  for (float& value : basis) value = uniform();
  std::vector<float> centres(size_t{50} * kInnerDimensions);
  for (float& value : centres) value = 2 * uniform();
  const auto fill = [&](uint32_t count, std::vector<float>* values) {
    values->assign(size_t{count} * dimension, 0.0f);
    for (uint32_t row = 0; row < count; ++row) {
      const size_t centre = random() % 50 * kInnerDimensions;
      float* at = values->data() + size_t{row} * dimension;
      for (uint32_t k = 0; k < kInnerDimensions; ++k) {
        const float weight = centres[centre + k] + uniform();
        for (uint32_t i = 0; i < dimension; ++i) at[i] += weight * basis[k * dimension + i];
      }
    }
  };
  AnnData data;
  data.name = "clustered-" + std::to_string(rows) + "x" + std::to_string(dimension);
  data.rows = rows;
  data.queries = queries;
  data.dimension = dimension;
  fill(rows, &data.base);
  fill(queries, &data.query_values);
  const DenseRowsView view{data.base.data(), rows, dimension, dimension, nullptr};
  for (uint32_t q = 0; q < queries; ++q) {
    DenseQuery query;
    query.metric = data.metric();
    query.query = data.Query(q);
    query.k = kNeighbours;
    const auto best = ExactScan(view, query);
    ALMAGEST_CHECK(best && !best->empty());
    data.kth_score.push_back(best->back().score);
  }
  return data;
}

Result<std::unique_ptr<Database>> OpenBenchDatabase(const std::filesystem::path& folder) {
  DatabaseOptions options;
  options.data_directory = folder;
  options.optimizer_enabled = false;
  return Database::Open(options);
}

Result<> FillCollection(Database& database, const AnnData& data,
                        const std::function<std::string(uint32_t row)>& payload,
                        const std::vector<std::string>& indexes) {
  CollectionConfig config;
  config.dense[""].dimension = data.dimension;
  config.dense[""].distance = data.cosine ? Distance::kCosine : Distance::kEuclid;
  config.dense[""].hnsw.full_scan_threshold_kb = 1;
  config.optimizer.seal_rows = std::max(data.rows, 1000u);
  for (const std::string& key : indexes) config.payload_indexes[key] = PayloadIndexType::kInteger;
  ALMAGEST_TRY_VOID(database.CreateCollection(kBenchCollection, config));
  ALMAGEST_TRY(const auto collection, database.FindCollection(kBenchCollection));
  for (uint32_t first = 0; first < data.rows; first += kBatch) {
    UpsertOperation upsert;
    for (uint32_t row = first; row < std::min(data.rows, first + kBatch); ++row) {
      PointInput point;
      point.id = uint64_t{row};
      point.vectors[""] = DenseVector(data.Row(row), data.Row(row) + data.dimension);
      if (payload) point.payload = payload(row);
      upsert.points.push_back(std::move(point));
    }
    const WriteOperation operations[] = {std::move(upsert)};
    ALMAGEST_TRY_VOID(collection->Write(operations, Durability::kProcess));
  }
  while (true) {
    ALMAGEST_TRY(const bool worked, collection->OptimizeOnce([](double) { return true; }));
    if (!worked) return {};
  }
}

std::string NpyArray(const float* values, uint32_t rows, uint32_t dimension) {
  return client::NpyHeader(rows, dimension)
      .append(reinterpret_cast<const char*>(values), size_t{rows} * dimension * sizeof(float));
}

}  // namespace almagest::bench
