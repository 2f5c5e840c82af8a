// Turns what a query names (vectors and point ids) into vectors of the searched field.
#pragma once

#include <string>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"

namespace almagest {

// Values of the multi-vectors in one list of examples: 64 MiB.
inline constexpr size_t kExampleValuesMax = size_t{1} << 24;

// Not thread-safe: one object per query node.
class VectorInputs {
 public:
  // `node` and `request` outlive the object.
  VectorInputs(const Collection& collection, const Collection::Field& field, const QueryNode& node,
               const QueryRequest& request)
      : collection_(collection), field_(field), node_(node), request_(request) {}

  // A dense vector of the field's dimension with finite values, a sparse one, or a multi-vector
  // (one vector counts as one row), as the field is. kInvalidArgument for another kind or
  // dimension, kNotFound for an absent point, vector or lookup collection.
  Result<VectorData> Resolve(const VectorInput& input);
  // kOutOfRange when multi-vectors have more than kExampleValuesMax values together.
  Result<std::vector<VectorData>> ResolveAll(std::span<const VectorInput> inputs);

 private:
  Result<VectorData> VectorOf(const PointId& id);
  Result<> Check(VectorData& vector) const;

  const Collection& collection_;
  const Collection::Field& field_;
  const QueryNode& node_;
  const QueryRequest& request_;
  std::shared_ptr<Collection> lookup_;
};

// Whether no value is infinite or no number.
bool AllFinite(std::span<const float> values);

// Points of the collection that are named as examples anywhere in the tree.
Result<SlotSet> NamedPoints(const Collection& collection, const QueryRequest& request);

}  // namespace almagest
