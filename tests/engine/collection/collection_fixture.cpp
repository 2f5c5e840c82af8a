#include "tests/engine/collection/collection_fixture.h"

#include <stdlib.h>

#include <algorithm>
#include <cmath>

#include "engine/linalg/row_kernels.h"
#include "storage/base/safetensors.h"

namespace almagest {

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "almagest-XXXXXX").string();
  path_ = mkdtemp(pattern.data());
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

CollectionConfig TestConfig() {
  CollectionConfig config;
  config.dense[""].dimension = kTestDimension;
  config.dense[""].hnsw.full_scan_threshold_kb = 0;
  config.dense["dot"] = {4, Distance::kDot, {}};
  config.dense["euclid"] = {3, Distance::kEuclid, {}};
  config.sparse["terms"].idf = true;
  config.optimizer.seal_rows = 20;
  config.optimizer.segments_max = 3;
  config.payload_indexes["color"] = PayloadIndexType::kKeyword;
  return config;
}

void CollectionTest::Reopen() {
  collection.reset();
  auto opened = Collection::Open(1, "test", config, *store, directory.path(), limits);
  ASSERT_TRUE(opened) << opened.error().message;
  collection = std::move(*opened);
}

void CollectionTest::OptimizeAll() {
  collection->WaitUntilOpened();
  for (int step = 0; step < 200; ++step) {
    const auto worked = collection->OptimizeOnce([](double) { return true; });
    ASSERT_TRUE(worked) << worked.error().message;
    if (!*worked) return;
  }
  FAIL() << "the optimizer does not come to an end";
}

void CollectionTest::Upsert(std::vector<PointInput> points) {
  const auto written = Write({UpsertOperation{std::move(points), UpdateMode::kUpsert, {}}});
  ASSERT_TRUE(written) << written.error().message;
}

void CollectionTest::Delete(std::vector<PointId> ids) {
  const auto written = Write({DeletePointsOperation{std::move(ids)}});
  ASSERT_TRUE(written) << written.error().message;
}

DenseVector RandomVector(std::mt19937& random, uint32_t dimension) {
  std::normal_distribution<float> normal;
  DenseVector vector(dimension);
  for (float& value : vector) value = normal(random);
  return vector;
}

SparseVector RandomSparse(std::mt19937& random, uint32_t terms_max) {
  std::uniform_real_distribution<float> weight(0.1f, 2.0f);
  SparseVector vector;
  for (uint32_t term = 0; term < terms_max; ++term) {
    if (random() % 3 != 0) continue;
    vector.indices.push_back(term);
    vector.values.push_back(weight(random));
  }
  return vector;
}

PointInput RandomPoint(std::mt19937& random, uint64_t id) {
  PointInput point;
  point.id = id;
  point.vectors[""] = RandomVector(random, kTestDimension);
  return point;
}

DenseVector Normalised(DenseVector vector) {
  NormalizeInPlace(vector.data(), vector.size());
  return vector;
}

std::string RandomAdapter(std::mt19937& random, uint32_t dimension, bool maps_documents,
                          const ResidualTensors& residual) {
  const auto map = [&] {
    std::vector<float> weights = RandomVector(random, dimension * dimension);
    for (float& weight : weights) weight *= 0.3f / std::sqrt(static_cast<float>(dimension));
    for (uint32_t i = 0; i < dimension; ++i) weights[i * dimension + i] += 1;
    return weights;
  };
  const auto bias = [&] {
    std::vector<float> values = RandomVector(random, dimension);
    for (float& value : values) value *= 0.1f;
    return values;
  };
  const std::vector<float> tensors[] = {map(), bias(), map(), bias()};
  const auto d = static_cast<int64_t>(dimension);
  SafetensorsWriter writer;
  writer.SetMetadata("format_version", "1");
  writer.SetMetadata("kind", "two_sided_linear");
  writer.SetMetadata("document_side", maps_documents ? "linear" : "identity");
  writer.SetMetadata("dimension", std::to_string(dimension));
  writer.AddFloat32("query_weight", {d, d}, tensors[0]);
  writer.AddFloat32("query_bias", {d}, tensors[1]);
  writer.AddFloat32("document_weight", {d, d}, tensors[2]);
  writer.AddFloat32("document_bias", {d}, tensors[3]);
  if (residual.hidden > 0) AddResidual(residual, d, &writer);
  return writer.Serialize();
}

ResidualTensors RandomResidual(std::mt19937& random, uint32_t dimension, int64_t hidden,
                               int64_t experts) {
  const auto values = [&](int64_t rows, int64_t columns, float scale) {
    std::vector<float> made = RandomVector(random, static_cast<uint32_t>(rows * columns));
    for (float& value : made) value *= scale;
    return made;
  };
  const auto d = static_cast<int64_t>(dimension);
  ResidualTensors residual{hidden, experts, {}, {}, {}, {}, {}};
  residual.hidden_weight = values(hidden, d, 1);
  residual.hidden_bias = values(hidden, 1, 0.3f);
  residual.output_weight = values(d, hidden, 0.5f / std::sqrt(static_cast<float>(hidden)));
  residual.route_weight = values(experts, d, 2);
  residual.route_bias = values(experts, 1, 0.5f);
  return residual;
}

std::vector<double> ResidualByHand(const ResidualTensors& residual, const std::vector<double>& x) {
  const auto rows_times_x = [&](const std::vector<float>& weight, const std::vector<float>& bias) {
    std::vector<double> y(bias.begin(), bias.end());
    for (size_t i = 0; i < y.size(); ++i) {
      for (size_t j = 0; j < x.size(); ++j) y[i] += double{weight[i * x.size() + j]} * x[j];
    }
    return y;
  };
  std::vector<double> hidden = rows_times_x(residual.hidden_weight, residual.hidden_bias);
  std::vector<double> routes = rows_times_x(residual.route_weight, residual.route_bias);
  double sum = 0;
  for (double& route : routes) sum += route = std::exp(route);
  for (size_t i = 0; i < hidden.size(); ++i) {
    if (routes.empty()) {
      hidden[i] = std::max(hidden[i], 0.0);
    } else {
      hidden[i] *= routes[i * routes.size() / hidden.size()] / sum;
    }
  }
  std::vector<double> added(x.size(), 0.0);
  for (size_t i = 0; i < added.size(); ++i) {
    for (size_t j = 0; j < hidden.size(); ++j) {
      added[i] += double{residual.output_weight[i * hidden.size() + j]} * hidden[j];
    }
  }
  return added;
}

std::vector<float> MappedQuery(const VersionSet& versions, VersionId version,
                               const DenseVector& query) {
  std::vector<float> room;
  const std::span<const float> mapped = *versions.MapQuery(version, query, room);
  return {mapped.begin(), mapped.end()};
}

std::map<Slot, float> ScoreAll(const Collection& collection, const std::string& vector_name,
                               const DenseVector& query, std::optional<VersionId> version) {
  const FieldId id = collection.FindField(vector_name)->id;
  const auto view = collection.view();
  const VersionSet& versions = *view->versions.at(id);
  const VersionId target = version.value_or(versions.active());
  const std::vector<float> mapped = MappedQuery(versions, target, query);
  std::map<Slot, float> scores;
  for (const auto& segment : view->segments) {
    const auto field = segment->dense(id);
    if (!field) continue;
    const auto cross = *versions.Cross(target, field->version);
    std::vector<float> folded = mapped;
    float constant = 0;
    if (cross) constant = cross->MapQuery(mapped, folded);
    const auto factors = segment->row_factors(id, versions.DocumentGroup(target));
    for (uint32_t row = 0; row < segment->row_count(); ++row) {
      if ((segment->deleted_words()[row / 64].load() >> (row % 64) & 1) != 0) continue;
      const float* values = field->growing_rows != nullptr ? field->growing_rows->Row(row)
                            : field->rows.Present(row)     ? field->rows.Row(row)
                                                           : nullptr;
      if (values == nullptr) continue;
      float score = DotProduct(folded.data(), values, folded.size());
      if (cross && versions.normalised()) {
        EXPECT_TRUE(factors != nullptr && factors->scale.size() > row)
            << "segment " << segment->id() << " lacks factors for version " << target;
        score = score * factors->scale[row] + constant * factors->offset[row];
      } else {
        score += constant;
      }
      const bool added = scores.emplace(segment->slot_of(row), score).second;
      EXPECT_TRUE(added) << "slot " << segment->slot_of(row) << " is live twice";
    }
  }
  return scores;
}

float DirectScore(const VersionSet& versions, VersionId version, const DenseVector& query,
                  const DenseVector& base) {
  const std::vector<float> mapped = MappedQuery(versions, version, query);
  DenseVector document = versions.normalised() ? Normalised(base) : base;
  const auto maps = *versions.Maps(version);
  if (const auto& map = maps->document) {
    DenseVector output(document.size());
    map->Apply(document, output, versions.normalised());
    document = std::move(output);
  }
  return DotProduct(mapped.data(), document.data(), document.size());
}

}  // namespace almagest
