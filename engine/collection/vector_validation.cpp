#include <algorithm>
#include <cmath>

#include "engine/collection/vector_values.h"
#include "engine/collection/write_stage.h"
#include "engine/index/sparse_vector.h"

namespace almagest {
namespace {

std::string Describe(const std::string& name, const PointId& id) {
  return "vector '" + name + "' of point " + PointIdToString(id);
}

Result<> CheckDense(const CollectionField& field, const DenseVector& vector, const PointId& id) {
  if (vector.size() != field.dimension) {
    return Fail(ErrorCode::kInvalidArgument,
                "Vector dimension error: expected dim: " + std::to_string(field.dimension) +
                    ", got " + std::to_string(vector.size()));
  }
  const auto bad = std::ranges::find_if(vector, [](float value) { return !std::isfinite(value); });
  if (bad == vector.end()) return {};
  return Fail(ErrorCode::kOutOfRange, Describe(field.name, id) + " is not finite at position " +
                                          std::to_string(bad - vector.begin()));
}

}  // namespace

Result<std::map<FieldId, VectorData>> ValidateVectors(const CollectionState& state,
                                                      const PointInput& point) {
  std::map<FieldId, VectorData> vectors;
  for (const auto& [name, data] : point.vectors) {
    const CollectionField* field = state.FindField(name);
    if (field == nullptr) {
      return Fail(ErrorCode::kInvalidArgument, "Not existing vector name error: " + name);
    }
    if (field->is_sparse != std::holds_alternative<SparseVector>(data)) {
      return Fail(ErrorCode::kInvalidArgument,
                  Describe(name, point.id) + " must be " + (field->is_sparse ? "sparse" : "dense"));
    }
    if (const auto* sparse = std::get_if<SparseVector>(&data)) {
      if (auto valid = ValidateSparse({sparse->indices, sparse->values}); !valid) {
        return Fail(ErrorCode::kOutOfRange,
                    Describe(name, point.id) + ": " + valid.error().message);
      }
      vectors.emplace(field->id, data);
      continue;
    }
    DenseVector dense = std::get<DenseVector>(data);
    ALMAGEST_TRY_VOID(CheckDense(*field, dense, point.id));
    if (field->normalised()) NormalizeCosine(dense);
    if (field->datatype != Datatype::kFloat32) {
      RoundTo(field->datatype, dense);
      ALMAGEST_TRY_VOID(CheckDense(*field, dense, point.id));  // 65,520 is infinite in float16.
    }
    vectors.emplace(field->id, std::move(dense));
  }
  return vectors;
}

}  // namespace almagest
