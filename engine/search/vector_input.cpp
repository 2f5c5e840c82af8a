#include "engine/search/vector_input.h"

#include <cmath>

namespace almagest {

Result<VectorData> VectorInputs::VectorOf(const PointId& id) {
  const std::optional<LookupFrom>& lookup = node_.lookup_from;
  if (lookup && !lookup_) {
    if (!request_.find_collection) {
      return Fail(ErrorCode::kBadRequest, "lookup_from cannot be used here");
    }
    ALMAGEST_TRY(lookup_, request_.find_collection(lookup->collection));
  }
  const Collection& source = lookup ? *lookup_ : collection_;
  const std::string name =
      lookup ? lookup->vector_name.value_or(node_.using_vector) : node_.using_vector;
  ALMAGEST_TRY_VOID(source.FindField(name));
  const Slot slot = source.FindSlot(id);
  if (slot == kNoSlot) {
    return Fail(ErrorCode::kNotFound, "No point with id " + PointIdToString(id) + " found");
  }
  ALMAGEST_TRY(NamedVectors vectors, source.Vectors(slot, {VectorSelector::Kind::kNames, {name}}));
  const auto found = vectors.find(name);
  if (found == vectors.end()) {
    return Fail(ErrorCode::kNotFound,
                "Point " + PointIdToString(id) + " has no vector '" + name + "'");
  }
  if (!lookup) own_slots_.push_back(slot);
  return std::move(found->second);
}

Result<> VectorInputs::Check(const VectorData& vector) const {
  const auto* dense = std::get_if<DenseVector>(&vector);
  if (field_.is_sparse != (dense == nullptr)) {
    const std::string own = field_.is_sparse ? "sparse" : "dense";
    const std::string given = field_.is_sparse ? "dense" : "sparse";
    return Fail(ErrorCode::kInvalidArgument, "vector '" + node_.using_vector + "' is " + own +
                                                 ", the query is a " + given + " vector");
  }
  if (dense == nullptr) return {};
  if (dense->size() != field_.dense.dimension) {
    return Fail(ErrorCode::kInvalidArgument,
                "Vector dimension error: expected dim: " + std::to_string(field_.dense.dimension) +
                    ", got " + std::to_string(dense->size()));
  }
  for (const float value : *dense) {
    if (!std::isfinite(value)) {
      return Fail(ErrorCode::kOutOfRange, "the query vector holds a value that is not finite");
    }
  }
  return {};
}

Result<VectorData> VectorInputs::Resolve(const VectorInput& input) {
  VectorData vector;
  if (const auto* id = std::get_if<PointId>(&input)) {
    ALMAGEST_TRY(vector, VectorOf(*id));
  } else if (const auto* dense = std::get_if<DenseVector>(&input)) {
    vector = *dense;
  } else {
    vector = std::get<SparseVector>(input);
  }
  ALMAGEST_TRY_VOID(Check(vector));
  return vector;
}

Result<std::vector<VectorData>> VectorInputs::ResolveAll(std::span<const VectorInput> inputs) {
  std::vector<VectorData> vectors;
  vectors.reserve(inputs.size());
  for (const VectorInput& input : inputs) {
    ALMAGEST_TRY(VectorData vector, Resolve(input));
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

}  // namespace almagest
