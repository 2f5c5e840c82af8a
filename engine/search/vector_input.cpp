#include "engine/search/vector_input.h"

#include <cmath>

#include "engine/collection/vector_values.h"

namespace almagest {
namespace {

// Calls `visit` for every vector input of a query.
template <class Visit>
void ForEachInput(const QueryKind& query, const Visit& visit) {
  const auto visit_all = [&](const std::vector<VectorInput>& inputs) {
    for (const VectorInput& input : inputs) visit(input);
  };
  const auto visit_pairs = [&](const std::vector<ContextPair>& pairs) {
    for (const ContextPair& pair : pairs) {
      visit(pair.positive);
      visit(pair.negative);
    }
  };
  if (const auto* nearest = std::get_if<NearestQuery>(&query)) visit(nearest->target);
  if (const auto* recommend = std::get_if<RecommendQuery>(&query)) {
    visit_all(recommend->positive);
    visit_all(recommend->negative);
  }
  if (const auto* discover = std::get_if<DiscoverQuery>(&query)) {
    visit(discover->target);
    visit_pairs(discover->pairs);
  }
  if (const auto* context = std::get_if<ContextQuery>(&query)) visit_pairs(context->pairs);
  if (const auto* sets = std::get_if<SetQuery>(&query)) {
    for (const auto* list : {&sets->all_of, &sets->any_of, &sets->none_of}) {
      for (const SetQuery::Examples& examples : *list) visit_all(examples);
    }
  }
  if (const auto* feedback = std::get_if<RelevanceFeedbackQuery>(&query)) {
    visit(feedback->target);
    for (const auto& item : feedback->feedback) visit(item.example);
  }
}

// The collection that vectors are looked up in.
Result<std::shared_ptr<Collection>> FindSource(const QueryRequest& request,
                                               const LookupFrom& lookup) {
  auto source = request.find_collection(lookup.collection);
  if (source || source.error().code != ErrorCode::kNotFound) return source;
  return Fail(ErrorCode::kNotFound, "Collection " + lookup.collection + " not found");
}

Result<> AddNamedPoints(const Collection& collection, const QueryRequest& request,
                        const QueryNode& node, SlotSet& named) {
  for (const QueryNode& child : node.prefetch) {
    ALMAGEST_TRY_VOID(AddNamedPoints(collection, request, child, named));
  }
  if (!node.query) return {};
  std::vector<PointId> ids;
  ForEachInput(*node.query, [&](const VectorInput& input) {
    if (const auto* id = std::get_if<PointId>(&input)) ids.push_back(*id);
  });
  if (!ids.empty() && node.lookup_from && request.find_collection) {
    ALMAGEST_TRY(const auto source, FindSource(request, *node.lookup_from));
    if (source->id() != collection.id()) return {};
  }
  for (const PointId& id : ids) {
    const Slot slot = collection.FindSlot(id);
    if (slot != kNoSlot) named.Add(slot);
  }
  return {};
}

}  // namespace

Result<SlotSet> NamedPoints(const Collection& collection, const QueryRequest& request) {
  SlotSet named;
  ALMAGEST_TRY_VOID(AddNamedPoints(collection, request, request.root, named));
  return named;
}

Result<VectorData> VectorInputs::VectorOf(const PointId& id) {
  const std::optional<LookupFrom>& lookup = node_.lookup_from;
  if (lookup && !lookup_) {
    if (!request_.find_collection) {
      return Fail(ErrorCode::kBadRequest, "lookup_from cannot be used here");
    }
    ALMAGEST_TRY(lookup_, FindSource(request_, *lookup));
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
    RoundTo(field_.dense.datatype, std::get<DenseVector>(vector));
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
