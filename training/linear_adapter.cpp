#include "training/linear_adapter.h"

#include <algorithm>
#include <cmath>

#include "storage/base/check.h"
#include "storage/base/safetensors.h"

namespace almagest::training {
namespace {

Result<std::vector<float>> ReadTensor(const Safetensors& file, const std::string& name,
                                      std::initializer_list<int64_t> shape) {
  ALMAGEST_TRY(const auto values, file.Float32(name, std::vector<int64_t>(shape)));
  if (!std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); })) {
    return Fail(ErrorCode::kCorruption, "tensor '" + name + "' holds a value that is not finite");
  }
  return std::vector<float>(values.begin(), values.end());
}

std::string Metadata(const Safetensors& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? std::string() : found->second;
}

Result<LinearAdapter> Decode(const Safetensors& file, int64_t dimension) {
  if (Metadata(file, "dimension") != std::to_string(dimension)) {
    return Fail(ErrorCode::kCorruption, "adapter dimension is '" + Metadata(file, "dimension") +
                                            "', expected " + std::to_string(dimension));
  }
  const std::string side = Metadata(file, "document_side");
  if (side != "identity" && side != "linear") {
    return Fail(ErrorCode::kCorruption,
                "adapter document_side is '" + side + "', it must be identity or linear");
  }
  LinearAdapter adapter;
  ALMAGEST_TRY(adapter.query_residual, ReadResidual(file, dimension));
  adapter.dimension = dimension;
  adapter.kind = Metadata(file, "kind");
  adapter.maps_documents = side == "linear";
  ALMAGEST_TRY(adapter.query_weight, ReadTensor(file, "query_weight", {dimension, dimension}));
  ALMAGEST_TRY(adapter.query_bias, ReadTensor(file, "query_bias", {dimension}));
  ALMAGEST_TRY(adapter.document_weight,
               ReadTensor(file, "document_weight", {dimension, dimension}));
  ALMAGEST_TRY(adapter.document_bias, ReadTensor(file, "document_bias", {dimension}));
  return adapter;
}

}  // namespace

LinearAdapter LinearAdapter::Identity(int64_t dimension) {
  LinearAdapter adapter;
  adapter.dimension = dimension;
  adapter.query_weight.assign(static_cast<size_t>(dimension * dimension), 0.0f);
  for (int64_t i = 0; i < dimension; ++i) {
    adapter.query_weight[static_cast<size_t>(i * dimension + i)] = 1.0f;
  }
  adapter.query_bias.assign(static_cast<size_t>(dimension), 0.0f);
  adapter.document_weight = adapter.query_weight;
  adapter.document_bias = adapter.query_bias;
  return adapter;
}

Result<LinearAdapter> ReadAdapter(const std::filesystem::path& path, int64_t dimension) {
  ALMAGEST_TRY(const Safetensors file, Safetensors::Open(path));
  auto adapter = Decode(file, dimension);
  if (!adapter) return Fail(adapter.error().code, path.string() + ": " + adapter.error().message);
  return adapter;
}

Result<> WriteAdapter(const std::filesystem::path& path, const LinearAdapter& adapter,
                      uint64_t seed) {
  const int64_t d = adapter.dimension;
  ALMAGEST_CHECK(adapter.query_weight.size() == static_cast<size_t>(d * d));
  SafetensorsWriter writer;
  writer.SetMetadata("kind", adapter.kind);
  writer.SetMetadata("document_side", adapter.maps_documents ? "linear" : "identity");
  writer.SetMetadata("dimension", std::to_string(d));
  writer.SetMetadata("seed", std::to_string(seed));
  writer.AddFloat32("query_weight", {d, d}, adapter.query_weight);
  writer.AddFloat32("query_bias", {d}, adapter.query_bias);
  writer.AddFloat32("document_weight", {d, d}, adapter.document_weight);
  writer.AddFloat32("document_bias", {d}, adapter.document_bias);
  AddResidual(adapter.query_residual, d, &writer);
  return writer.Write(path);
}

}  // namespace almagest::training
