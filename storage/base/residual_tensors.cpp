#include "storage/base/residual_tensors.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "storage/base/check.h"

namespace almagest {
namespace {

constexpr char kKind[] = "query_residual";
constexpr char kMlp[] = "mlp";
constexpr char kMixture[] = "mixture";
constexpr char kHiddenWeight[] = "query_hidden_weight";
constexpr char kRouteWeight[] = "query_route_weight";

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorCode::kCorruption, std::move(message));
}

std::string Metadata(const Safetensors& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  return found == file.metadata().end() ? std::string() : found->second;
}

Result<std::vector<float>> Read(const Safetensors& file, const std::string& name,
                                std::initializer_list<int64_t> shape) {
  ALMAGEST_TRY(const auto values, file.Float32(name, std::vector<int64_t>(shape)));
  if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) {
    return Bad("tensor '" + name + "' holds a value that is not finite");
  }
  return std::vector<float>(values.begin(), values.end());
}

// The rows of a matrix, from `low` to `high`.
Result<int64_t> Rows(const Safetensors& file, const std::string& name, int64_t low, int64_t high) {
  const TensorView* tensor = file.Find(name);
  if (tensor == nullptr) return Bad("tensor '" + name + "' is missing");
  const int64_t rows = tensor->shape.empty() ? 0 : tensor->shape.front();
  if (rows >= low && rows <= high) return rows;
  return Bad("tensor '" + name + "' has " + std::to_string(rows) + " rows, it must have " +
             std::to_string(low) + " to " + std::to_string(high));
}

}  // namespace

Result<ResidualTensors> ReadResidual(const Safetensors& file, int64_t dimension) {
  const std::string version = Metadata(file, "format_version");
  const std::string kind = Metadata(file, kKind);
  const bool has_part = !kind.empty() || file.Find(kHiddenWeight) != nullptr;
  if (version != "1" && version != "2") {
    return Bad("format_version is '" + version + "'; it must be 1 or 2");
  }
  ResidualTensors residual;
  if (version == "1") {
    if (!has_part) return residual;
    return Bad("format_version is '1', which has no query_residual; with one it must be 2");
  }
  if (kind != kMlp && kind != kMixture) {
    return Bad("query_residual is '" + kind + "'; with format_version 2 it must be mlp or mixture");
  }
  ALMAGEST_TRY(residual.hidden, Rows(file, kHiddenWeight, 1, kHiddenMax));
  if (kind == kMixture) {
    ALMAGEST_TRY(residual.experts, Rows(file, kRouteWeight, 2, kExpertsMax));
    if (residual.hidden % residual.experts != 0) {
      return Bad(std::to_string(residual.hidden) + " hidden units cannot be shared equally by " +
                 std::to_string(residual.experts) + " experts");
    }
    ALMAGEST_TRY(residual.route_weight, Read(file, kRouteWeight, {residual.experts, dimension}));
    ALMAGEST_TRY(residual.route_bias, Read(file, "query_route_bias", {residual.experts}));
  } else if (file.Find(kRouteWeight) != nullptr) {
    return Bad("query_residual is 'mlp', which has no tensor 'query_route_weight'");
  }
  ALMAGEST_TRY(residual.hidden_weight, Read(file, kHiddenWeight, {residual.hidden, dimension}));
  ALMAGEST_TRY(residual.hidden_bias, Read(file, "query_hidden_bias", {residual.hidden}));
  ALMAGEST_TRY(residual.output_weight,
               Read(file, "query_output_weight", {dimension, residual.hidden}));
  return residual;
}

void AddResidual(const ResidualTensors& residual, int64_t dimension, SafetensorsWriter* writer) {
  writer->SetMetadata("format_version", residual.hidden == 0 ? "1" : "2");
  if (residual.hidden == 0) return;
  ALMAGEST_CHECK(residual.hidden_weight.size() == static_cast<size_t>(residual.hidden * dimension));
  writer->SetMetadata(kKind, residual.experts == 0 ? kMlp : kMixture);
  writer->AddFloat32(kHiddenWeight, {residual.hidden, dimension}, residual.hidden_weight);
  writer->AddFloat32("query_hidden_bias", {residual.hidden}, residual.hidden_bias);
  writer->AddFloat32("query_output_weight", {dimension, residual.hidden}, residual.output_weight);
  if (residual.experts == 0) return;
  writer->AddFloat32(kRouteWeight, {residual.experts, dimension}, residual.route_weight);
  writer->AddFloat32("query_route_bias", {residual.experts}, residual.route_bias);
}

}  // namespace almagest
