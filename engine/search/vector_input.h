// Turns what a query names (vectors and point ids) into vectors of the searched field.
#pragma once

#include <string>
#include <vector>

#include "engine/collection/collection.h"
#include "engine/query.h"

namespace almagest {

// Not thread-safe: one object per query node.
class VectorInputs {
 public:
  // `node` and `request` outlive the object.
  VectorInputs(const Collection& collection, const Collection::Field& field, const QueryNode& node,
               const QueryRequest& request)
      : collection_(collection), field_(field), node_(node), request_(request) {}

  // A dense vector of the field's dimension with finite values, or a sparse one, as the field is.
  // kInvalidArgument for another kind or dimension, kNotFound for an absent point, vector or lookup
  // collection.
  Result<VectorData> Resolve(const VectorInput& input);
  Result<std::vector<VectorData>> ResolveAll(std::span<const VectorInput> inputs);

  // Points of the searched collection that were named so far.
  const std::vector<Slot>& own_slots() const { return own_slots_; }

 private:
  Result<VectorData> VectorOf(const PointId& id);
  Result<> Check(const VectorData& vector) const;

  const Collection& collection_;
  const Collection::Field& field_;
  const QueryNode& node_;
  const QueryRequest& request_;
  std::shared_ptr<Collection> lookup_;
  std::vector<Slot> own_slots_;
};

}  // namespace almagest
