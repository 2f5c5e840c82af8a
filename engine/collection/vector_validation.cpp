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

Result<> CheckDimension(const CollectionField& field, size_t dimension) {
  if (dimension == field.dimension) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "Vector dimension error: expected dim: " + std::to_string(field.dimension) +
                  ", got " + std::to_string(dimension));
}

Result<> CheckFinite(const CollectionField& field, std::span<const float> values,
                     const PointId& id) {
  const auto bad = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  if (bad == values.end()) return {};
  return Fail(ErrorCode::kOutOfRange, Describe(field.name, id) + " is not finite at position " +
                                          std::to_string(bad - values.begin()));
}

// To the field's datatype.
Result<> RoundValues(const CollectionField& field, std::span<float> values, const PointId& id) {
  if (field.datatype == Datatype::kFloat32) return {};
  RoundTo(field.datatype, values);
  return CheckFinite(field, values, id);  // 65,520 is infinite in float16.
}

Result<VectorData> ValidateDense(const CollectionField& field, const VectorData& given,
                                 const PointId& id) {
  const auto* dense = std::get_if<DenseVector>(&given);
  if (dense == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                "Conversion between multi and regular vectors failed: " + Describe(field.name, id) +
                    " must be one vector");
  }
  ALMAGEST_TRY_VOID(CheckDimension(field, dense->size()));
  ALMAGEST_TRY_VOID(CheckFinite(field, *dense, id));
  DenseVector vector = *dense;
  if (field.normalised()) NormalizeCosine(vector);
  ALMAGEST_TRY_VOID(RoundValues(field, vector, id));
  return VectorData(std::move(vector));
}

// One vector is a multi-vector of one row.
Result<VectorData> ValidateMulti(const CollectionField& field, const VectorData& given,
                                 const PointId& id) {
  MultiVector vector;
  if (const auto* dense = std::get_if<DenseVector>(&given)) {
    vector = {static_cast<uint32_t>(dense->size()), *dense};
  } else {
    vector = std::get<MultiVector>(given);
  }
  ALMAGEST_TRY_VOID(CheckDimension(field, vector.dimension));
  if (vector.rows() == 0 || vector.rows() * vector.dimension != vector.values.size() ||
      vector.values.size() > kMultiVectorValuesMax) {
    return Fail(ErrorCode::kOutOfRange,
                Describe(field.name, id) + " has " + std::to_string(vector.values.size()) +
                    " values, but must have full rows of " + std::to_string(field.dimension) +
                    " and at most " + std::to_string(kMultiVectorValuesMax) + " values");
  }
  ALMAGEST_TRY_VOID(CheckFinite(field, vector.values, id));
  for (size_t row = 0; field.normalised() && row < vector.rows(); ++row) {
    NormalizeCosine(std::span(vector.values).subspan(row * vector.dimension, vector.dimension));
  }
  ALMAGEST_TRY_VOID(RoundValues(field, vector.values, id));
  return VectorData(std::move(vector));
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
    ALMAGEST_TRY(VectorData vector, field->is_multi ? ValidateMulti(*field, data, point.id)
                                                    : ValidateDense(*field, data, point.id));
    vectors.emplace(field->id, std::move(vector));
  }
  return vectors;
}

}  // namespace almagest
